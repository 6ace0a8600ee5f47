"""The jars of Apache Kafka: resolved once by Maven from ``kafka-pom.xml``, then kept in a cache."""

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("kafka-pom.xml")
LEAST_JAVA = 17
MAVEN_SECONDS = 240

log = logging.getLogger(__name__)


class NoApacheKafka(Exception):
    """Apache Kafka cannot be had here; the text says why."""


def java() -> str:
    """Return the path of a Java that can run the broker."""
    program = shutil.which("java")
    if program is None:
        raise NoApacheKafka(f"no java on the PATH (Java {LEAST_JAVA}+ is needed)")
    said = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    if not found or int(found[1]) < LEAST_JAVA:
        version = found[1] if found else "unknown"
        raise NoApacheKafka(f"{program} is Java {version} (Java {LEAST_JAVA}+ is needed)")
    return program


def jars(pom: Path = POM) -> Path:
    """Return the folder of the jars that a POM pins, resolved if they are not in the cache."""
    pinned = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    folder = _cache() / f"{pom.stem.removesuffix('-pom')}-{pinned}"
    if not folder.is_dir():
        _resolve(pom, folder)
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "footfall"


def _resolve(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoApacheKafka("no mvn on the PATH, and the jars are not in the cache")
    log.info("Kafka: resolving the jars with Maven (once)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            resolved = Path(temporary, "jars")
            _copy_dependencies(maven, pom, resolved)
            try:
                resolved.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first: the same jars
                    raise
    except OSError as error:
        raise NoApacheKafka(f"{folder.parent} cannot be written ({error.strerror})") from None


def _copy_dependencies(maven: str, pom: Path, target: Path) -> None:
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    command = [maven, "-q", "-B", "-f", str(pom), goal, "-DincludeScope=runtime"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={target}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAVEN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NoApacheKafka(f"Maven did not finish within {MAVEN_SECONDS} s") from None
    if done.returncode or not any(target.glob("*.jar")):
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        reason = errors[0].strip() if errors else f"exit {done.returncode}"
        raise NoApacheKafka(f"Maven could not resolve the jars: {reason[:200]}")
