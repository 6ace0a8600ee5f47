"""The errors that Footfall raises on purpose, in one tree.

FootfallError             exit 1: one line that names the thing, the value and the remedy
├── BadArgument           exit 2: what was asked for makes no sense
├── GateStopped           exit 3: an expectation suite said stop, or could check nothing
│   └── OutOfBounds       a publication is too different from the live one
├── ServerUnavailable     a server that is needed does not answer
├── NotFound              no such customer, model, publication, score set
├── Fenced                a newer writer took over; this one wrote nothing
├── BuildFailed           dbt reported an error
├── NotBetter             a challenger does not beat the champion
├── Unusual               events stay away, or come in other numbers than usual
└── NotReady              an earlier stage has to run first
"""


class FootfallError(Exception):
    """Anything that Footfall can explain in one line."""

    exit_code = 1


class BadArgument(FootfallError):
    """An argument or a setting that cannot be meant."""

    exit_code = 2


class GateStopped(FootfallError):
    """A gate found the data unfit, or found nothing to check."""

    exit_code = 3


class OutOfBounds(GateStopped):
    """What is to be published is too different from what is live."""


class ServerUnavailable(FootfallError):
    """Postgres, Redis, Kafka or Airflow does not answer."""


class NotFound(FootfallError):
    """The named thing does not exist (or not any more)."""


class Fenced(FootfallError):
    """A newer writer is in charge; nothing was written."""


class BuildFailed(FootfallError):
    """The warehouse could not be built."""


class NotReady(FootfallError):
    """A stage was asked for before the one that it needs."""


class Unusual(FootfallError):
    """Events stay away, or come in other numbers than usual."""


class NotBetter(FootfallError):
    """A challenger was to be promoted that does not beat the champion."""
