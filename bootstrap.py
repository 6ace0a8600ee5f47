"""Make ``.venv`` from the lock: ``make setup``.

Runs on any Python 3, finds Python 3.11, installs into ``.venv`` what requirements.txt pins, by
hash, and this package itself. Done already for this lock: it does nothing.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".complete")
NEEDED = (3, 11)


def main():
    """Make the environment, or say in one line why not."""
    wanted = fingerprint()
    if read(STAMP) == wanted and run([PYTHON, "-c", "import footfall.cli"])[0]:
        os.utime(STAMP)
        return
    if os.path.exists(STAMP):
        os.remove(STAMP)
    if version_of(PYTHON) != NEEDED:
        make_venv(find_python())
    install([PYTHON, "-m", "pip", "install", "--quiet", "uv==" + pinned("uv")])
    uv = [os.path.join(VENV, "bin", "uv"), "pip"]
    into = ["--python", PYTHON]
    say("installing what requirements.txt pins (one to two minutes when nothing is cached)")
    install([*uv, "sync", "--quiet", *into, "--require-hashes", "requirements.txt"])
    package = ["--no-deps", "--no-build-isolation", "-e", "."]
    install([*uv, "install", "--quiet", *into, *package])
    with open(STAMP, "w") as stamp:
        stamp.write(wanted)
    say("done: .venv/bin/footfall")


def fingerprint():
    """Return what changes when the environment has to be made anew."""
    files = [os.path.join(ROOT, name) for name in ("requirements.txt", "pyproject.toml")]
    return hashlib.sha256("".join(map(read, files)).encode()).hexdigest()


def find_python():
    """Return a Python of the needed version; $PYTHON goes first."""
    asked = os.environ.get("PYTHON", "")
    names = [asked] if asked else ["python3.11", "python3", "python", sys.executable]
    versions = {path: version_of(path) for path in map(shutil.which, names) if path}
    for path, version in versions.items():
        if version == NEEDED:
            return path
    seen = [f"{path} is {dotted(version)}" for path, version in versions.items() if version]
    fail(
        f"Python {dotted(NEEDED)} is needed ({', '.join(seen) or 'none was found'}); install it, "
        "or say where it is: make setup PYTHON=/path/to/python3.11"
    )


def make_venv(python):
    """Make an empty environment."""
    say(f"making .venv with {python}")
    done, output = run([python, "-m", "venv", "--clear", VENV])
    if not done:
        fail(
            f"{python} cannot make a virtual environment ({last_line(output)}); "
            "on Debian and Ubuntu: apt-get install python3.11-venv"
        )


def install(command):
    """Run an installer, or say in one line why it failed."""
    done, output = run(command)
    if not done:
        sys.stderr.write(output)
        fail(
            f"the packages could not be installed ({last_line(output)}); "
            "is there a network, and does it reach the package index that pip uses?"
        )


def pinned(name):
    """Return the version that the lock pins."""
    lock = read(os.path.join(ROOT, "requirements.txt"))
    return re.search(rf"^{name}==(\S+)", lock, re.MULTILINE).group(1)


def version_of(python):
    """Return (major, minor) of an interpreter, None if it does not run."""
    done, output = run([python, "-c", "import sys; print(*sys.version_info[:2])"])
    return tuple(map(int, output.split()[:2])) if done else None


def dotted(version):
    """Return 3.11 for (3, 11)."""
    return ".".join(map(str, version))


def run(command):
    """Run a command in the repository; return whether it succeeded, and what it said."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        return False, str(error)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def read(path):
    """Return a file's text, '' if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def last_line(text):
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def say(text):
    """Tell how far it is."""
    sys.stderr.write(f"setup: {text}\n")


def fail(text):
    """End with one line."""
    sys.exit(f"setup: {text}")


if __name__ == "__main__":
    main()
