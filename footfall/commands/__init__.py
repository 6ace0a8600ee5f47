"""The subcommands of ``footfall``, a file per stretch of the path."""
