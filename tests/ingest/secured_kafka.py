"""An Apache Kafka with TLS and passwords, and the certificates that go with it."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from footfall.stack.home import Entry
from footfall.stack.jars import jars, java
from footfall.stack.kafka import Kafka
from footfall.stack.process import Process, choose_port, start

USER = "shop"
PASSWORDS = {
    "PLAIN": "open sesame",
    "SCRAM-SHA-256": "two-five-six",
    "SCRAM-SHA-512": "five-one-two",
}
SCRAM = {
    "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
    "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
}
SECURED = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{CONTROLLER}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{secured}
log.dirs={folder}/data
offsets.topic.replication.factor=1
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
"""
LOGIN = "org.apache.kafka.common.security"


class SecuredKafka(Kafka):
    """Apache Kafka that listens once per security protocol, and in plain text to administer it."""

    def start(self, port: int) -> tuple[Process, Entry]:
        """Make certificates, start the broker, and note where each of its listeners is."""
        make_certificates(self.folder)
        ports = {name: choose_port() for name in ("CONTROLLER", *SECURED)} | {"PLAINTEXT": port}
        properties = self.folder / "server.properties"
        properties.write_text(
            PROPERTIES.format(
                listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
                secured=",".join(f"{name}:{name}" for name in SECURED),
                folder=self.folder,
                **ports,
            )
            + "".join(_logins(name) for name in ("sasl_plaintext", "sasl_ssl"))
        )
        run = [java(), "-cp", f"{jars()}/*", "-Dorg.apache.logging.log4j.level=WARN"]
        self._format([*run, "-XX:TieredStopAtLevel=1"], properties)
        memory = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        process = start([*run, *memory, "kafka.Kafka", properties], log=self.log)
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        return process, {"address": addresses["PLAINTEXT"], "listeners": addresses}

    def finish(self, entry: Entry) -> None:
        """Create the topics and the users whose passwords the cluster keeps."""
        super().finish(entry)
        admin = AdminClient({"bootstrap.servers": entry["address"]})
        for name, kind in SCRAM.items():
            credential = ScramCredentialInfo(kind, 4096)
            change = UserScramCredentialUpsertion(USER, credential, PASSWORDS[name].encode())
            [answer] = admin.alter_user_scram_credentials([change]).values()
            answer.result()


def _logins(listener: str) -> str:
    words = {"plain": f'plain.PlainLoginModule required user_{USER}="{PASSWORDS["PLAIN"]}"'}
    words |= dict.fromkeys(("scram-sha-256", "scram-sha-512"), "scram.ScramLoginModule required")
    return "".join(
        f"listener.name.{listener}.{mechanism}.sasl.jaas.config={LOGIN}.{word};\n"
        for mechanism, word in words.items()
    )


def make_certificates(folder: Path) -> None:
    """Make an authority, a broker and a client that it vouches for, and a stranger."""
    authority, stranger = _Certified("authority"), _Certified("stranger")
    broker, client = _Certified("broker", authority), _Certified("client", authority)
    contents = {
        "authority": authority.certificate,
        "stranger": stranger.certificate,
        "broker": broker.key + broker.certificate,
        "client": client.certificate,
        "client-key": client.key,
    }
    for name, content in contents.items():
        (folder / f"{name}.pem").write_bytes(content)


class _Certified:
    """A key and its certificate, both as PEM: signed by an authority, or an authority itself."""

    def __init__(self, name: str, authority: "_Certified | None" = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.private: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        signer = authority or self
        now = datetime.now(UTC)
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        signed = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), True)
            .add_extension(x509.SubjectAlternativeName([here]), False)
            .sign(signer.private, hashes.SHA256())
        )
        self.certificate = signed.public_bytes(Encoding.PEM)
        self.key = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
