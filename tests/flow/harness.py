"""harness - real processes for the flow tests: certificates, an edge, containers, peers.

Python's standard library and the openssl command only.  Everything listens on
loopback, on ports that were free a moment ago, and is stopped by pid.
"""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SIPWARD_BUILD", ROOT / "build"))
PARTNER_DN = "CN=sip.partner.example,O=Partner GmbH,C=DE"
STRANGER_DN = "CN=sip.stranger.example,O=Stranger Ltd,C=GB"


def die_with_parent():
    """For Popen's preexec_fn: a test that is killed leaves nothing running that holds its pipes."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=10.0):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def run(*args, **kw):
    return subprocess.run([str(a) for a in args], check=True, capture_output=True, **kw).stdout


class Pki:
    """Certificates by the openssl command: EC keys, made once per test class."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.ca("ca", "/C=DE/O=Peering/CN=Peering CA")
        self.leaf("edge", "/C=DE/O=Core/CN=edge.example", san="DNS:edge.example", eku="serverAuth,clientAuth")
        self.leaf("partner", "/C=DE/O=Partner GmbH/CN=sip.partner.example")
        self.leaf("stranger", "/C=GB/O=Stranger Ltd/CN=sip.stranger.example")

    def path(self, name):
        return self.dir / name

    def key(self, name):
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name + ".key"))

    def ca(self, name, subject):
        self.key(name)
        run("openssl", "req", "-x509", "-new", "-key", self.path(name + ".key"), "-subj", subject, "-days", "30", "-sha256",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.path(name + ".pem"))

    def leaf(self, name, subject, ca="ca", eku="clientAuth,serverAuth", san=None, days=20, expired=False, extra=""):
        self.key(name)
        ext = f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n{extra}\n"
        ext += f"extendedKeyUsage={eku}\n" if eku else ""
        ext += f"subjectAltName={san}\n" if san else ""
        self.path(name + ".ext").write_text(ext)
        csr = run("openssl", "req", "-new", "-key", self.path(name + ".key"), "-subj", subject, "-utf8")
        if expired:
            return self._expired(name, csr, ca)
        run("openssl", "x509", "-req", "-CA", self.path(ca + ".pem"), "-CAkey", self.path(ca + ".key"), "-CAcreateserial", "-sha256",
            "-days", days, "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".pem"), input=csr)

    def _expired(self, name, csr, ca):
        conf = self.path("ca.conf")
        work = self.dir / f"db-{name}"
        work.mkdir()
        (work / "index.txt").touch()
        (work / "serial").write_text("04D2\n")
        conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\nserial={work}/serial\nnew_certs_dir={work}\n"
                        "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncountryName=optional\norganizationName=optional\ncommonName=optional\n")
        self.path(name + ".csr").write_bytes(csr)
        run("openssl", "ca", "-batch", "-notext", "-config", conf, "-cert", self.path(ca + ".pem"), "-keyfile", self.path(ca + ".key"),
            "-preserveDN", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-extfile", self.path(name + ".ext"),
            "-in", self.path(name + ".csr"), "-out", self.path(name + ".pem"))

    def crl(self, name, revoked=(), ca="ca"):
        """A CRL of `ca` that revokes the named certificates."""
        work = self.dir / f"crl-{name}"
        work.mkdir()
        (work / "index.txt").touch()
        conf = work / "crl.conf"
        conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\ndefault_md=sha256\ndefault_crl_days=10\n")
        base = ["openssl", "ca", "-config", conf, "-cert", self.path(ca + ".pem"), "-keyfile", self.path(ca + ".key")]
        for leaf in revoked:
            run(*base, "-revoke", self.path(leaf + ".pem"))
        run(*base, "-gencrl", "-out", self.path(name + ".crl"))


class Message:
    """One SIP message: start line, header list, body."""

    def __init__(self, head, body):
        lines = head.split(b"\r\n")
        self.head, self.body, self.start = head, body, lines[0].decode("latin1")
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers.append((name.strip().lower().decode("latin1"), value.strip().decode("latin1")))

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def status(self):
        m = re.match(r"SIP/2\.0 (\d{3}) ", self.start)
        return int(m.group(1)) if m else None

    @property
    def method(self):
        return None if self.status else self.start.split(" ")[0]


def take_message(buf):
    """Take one whole message off the front of a bytearray; None: more is needed."""
    while buf[:2] == b"\r\n":
        del buf[:2]
    end = buf.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buf[:end])
    m = re.search(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.I)
    length = int(m.group(1)) if m else 0
    if len(buf) < end + 4 + length:
        return None
    body = bytes(buf[end + 4:end + 4 + length])
    del buf[:end + 4 + length]
    return Message(head, body)


class Link:
    """A stream of SIP messages over a connected socket, TLS or not."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = bytearray()
        self.ended = False  # whoever serves it has seen its end

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def recv(self, seconds=5.0):
        """The next message; None when the other side has closed; TimeoutError when nothing comes."""
        end = time.monotonic() + seconds
        while True:
            msg = take_message(self.buf)
            if msg:
                return msg
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except (ssl.SSLError, ConnectionError) as e:
                if isinstance(e, (ssl.SSLWantReadError, TimeoutError)):
                    continue
                return None
            if not data:
                return None
            self.buf += data

    def closed(self, seconds=5.0):
        """Does the other side close, without another message?"""
        try:
            return self.recv(seconds) is None
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()


def tls_context(pki, name, version=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.load_verify_locations(pki.path("ca.pem"))
    if name:
        ctx.load_cert_chain(pki.path(name + ".pem"), pki.path(name + ".key"))
    if version:
        ctx.minimum_version = ctx.maximum_version = version
    return ctx


def connect_tls(port, ctx, session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=5)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Link(ctx.wrap_socket(raw, server_hostname="edge.example", session=session))


def request(method="OPTIONS", uri="sip:bob@core.example", from_="sip:alice@partner.example", call_id="c1", branch="z9hG4bKb1",
            cseq=1, extra="", body="", to=None, via_host="client.partner.example", from_tag="t1"):
    to = to or f"<{uri}>"
    return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {via_host};branch={branch};rport\r\nMax-Forwards: 70\r\n"
            f"From: <{from_}>;tag={from_tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <{from_}>\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}")


class Container:
    """A SIP container: records what comes, answers 200 (or as `answer` says)."""

    def __init__(self, port=0):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.messages = []
        self.links = []
        self.lock = threading.Lock()
        self.answer = self.ok
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._welcome, args=(sock,), daemon=True).start()

    def wrap(self, sock):
        return sock

    def _welcome(self, sock):
        try:
            link = Link(self.wrap(sock))
        except (OSError, ssl.SSLError):
            return
        self.links.append(link)
        self._serve(link)
        link.ended = True

    def _serve(self, link):
        while True:
            try:
                msg = link.recv(3600)
            except (OSError, TimeoutError):
                return
            if msg is None:
                return
            msg.link = link
            with self.lock:
                self.messages.append(msg)
            reply = self.answer(msg) if msg.method and msg.method != "ACK" else None
            if reply:
                try:
                    link.send(reply)
                except OSError:
                    return

    @staticmethod
    def reply(msg, status="200 OK", extra=""):
        lines = [f"SIP/2.0 {status}"]
        for name in ("via", "record-route", "from", "to", "call-id", "cseq"):
            for value in msg.all(name):
                if name == "to" and ";tag=" not in value:
                    value += ";tag=container"
                lines.append(f"{name}: {value}")
        lines.append("Contact: <sip:bob@127.0.0.1:9>")
        return "\r\n".join(lines) + f"\r\n{extra}Content-Length: 0\r\n\r\n"

    def ok(self, msg):
        return self.reply(msg)

    def find(self, call_id, seconds=5.0, method=None):
        def look():
            with self.lock:
                return [m for m in self.messages if m.get("call-id") == call_id and method in (None, m.method)]
        return wait_for(f"message {call_id} at the container", look, seconds)[-1]

    def count(self, call_id):
        with self.lock:
            return sum(m.get("call-id") == call_id for m in self.messages)

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that holds it in accept()
            self.listener.close()
        for link in self.links:
            try:
                link.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            link.close()


class Domain(Container):
    """An external domain's server: mutual TLS, records what comes, answers 200 (or as `answer` says)."""

    def __init__(self, pki, name="partner", port=0, version=None):
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.verify_mode = ssl.CERT_REQUIRED
        self.ctx.load_verify_locations(pki.path("ca.pem"))
        self.ctx.load_cert_chain(pki.path(name + ".pem"), pki.path(name + ".key"))
        self.ctx.sni_callback = self._sni
        if version:
            self.ctx.minimum_version = self.ctx.maximum_version = version
        self.handshakes = 0  # finished from this side
        self.names = []      # asked for by SNI
        super().__init__(port)

    def _sni(self, _sock, name, _ctx):
        self.names.append(name)

    def wrap(self, sock):
        sock.settimeout(5)
        tls = self.ctx.wrap_socket(sock, server_side=True)
        self.handshakes += 1
        return tls

    def link(self, index=-1):
        return wait_for("a connection to the domain", lambda: self.links)[index]


class Edge:
    """A running sipward."""

    preexec = staticmethod(die_with_parent)

    def __init__(self, folder, config):
        self.dir = pathlib.Path(folder)
        self.file = self.dir / "sipward.json"
        self.socket = self.dir / "control.sock"
        self.log = self.dir / "sipward.log"
        self.write(config)
        self.process = None

    def write(self, config):
        self.config = config
        self.file.write_text(json.dumps(config, indent=1))

    def start(self):
        self.process = subprocess.Popen([str(BUILD / "sipward"), "-c", str(self.file)], preexec_fn=self.preexec, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"))
        def up():
            if self.process.poll() is not None:
                raise AssertionError(f"sipward ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            try:
                return self.status()
            except (RuntimeError, ValueError):
                return None
        status = wait_for("sipward", up, 30)
        wait_for("workers", lambda: all(w["generation"] for w in self.status()["workers"]), 30)
        return status

    def ctl(self, *args, check=True):
        p = subprocess.run([str(BUILD / "sipwardctl"), "-s", str(self.socket), "--json", *args], capture_output=True, text=True, timeout=60)
        if check and p.returncode:
            raise RuntimeError(p.stdout + p.stderr)
        return json.loads(p.stdout) if p.stdout.strip() else {"ok": False, "error": p.stderr}

    def status(self):
        return self.ctl("status")

    def port(self, side="external", protocol="TLS"):
        return next(l["port"] for l in self.status()["listeners"] if l["side"] == side and l["protocol"] == protocol)

    def reload(self, config=None, check=True):
        if config is not None:
            self.write(config)
        return self.ctl("reload", check=check)

    def logged(self, pattern, seconds=5.0):
        return wait_for(f"log line {pattern!r}", lambda: re.findall(pattern, self.log.read_text(errors="replace")), seconds)

    def stop(self, sig=signal.SIGTERM, seconds=10):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode if self.process else None


class FlowTest(unittest.TestCase):
    """One PKI and one folder per class; edges and containers are ended after each test."""

    workers = 2

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sipward-flow-"))
        os.chmod(cls.folder, 0o755)
        cls.pki = Pki(cls.folder / "pki")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def config(self, containers, **changes):
        pki = self.pki
        cfg = {
            "workers": self.workers,
            "control_socket": str(self.run_dir / "control.sock"),
            "state_dir": str(self.run_dir),
            "listeners": [
                {"side": "external", "protocol": "TLS", "host": "127.0.0.1", "port": 0, "tls": "edge"},
                {"side": "internal", "protocol": "TCP", "host": "127.0.0.1", "port": 0},
            ],
            "tls": {"edge": {"certificate": str(pki.path("edge.pem")), "private_key": str(pki.path("edge.key")),
                             "trust": [str(pki.path("ca.pem"))], "client_certificate": "require"}},
            "local_domains": ["core.example"],
            "clusters": {"main": {"servers": [{"host": "127.0.0.1", "port": c.port, "protocol": "TCP"} for c in containers]}},
            "default_cluster": "main",
            "external_domains": [{"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS",
                                  "host": "127.0.0.1", "port": 6061}],
        }
        cfg.update(changes)
        return cfg

    def setUp(self):
        self.run_dir = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        os.chmod(self.run_dir, 0o755)
        self.cleanups = []

    def edge(self, config=None, containers=1, **changes):
        self.containers = [Container() for _ in range(containers)]
        self.container = self.containers[0] if self.containers else None
        edge = Edge(self.run_dir, config or self.config(self.containers, **changes))
        self.running = edge
        edge.start()
        self.tls_port = edge.port()
        return edge

    def tearDown(self):
        edge = getattr(self, "running", None)
        if edge:
            code = edge.stop()
            text = edge.log.read_text(errors="replace")
            for c in self.containers:
                c.close()
            self.assertEqual(code, 0, text[-3000:])
            self.assertNotIn("Sanitizer", text, text[-6000:])
            self.assertNotIn("runtime error", text, text[-6000:])
        self.running = None

    def inside(self, source="127.0.0.1"):
        """A container's own connection to the edge."""
        sock = socket.socket()
        sock.bind((source, 0))
        sock.settimeout(5)
        sock.connect(("127.0.0.1", self.running.port("internal", "TCP")))
        return Link(sock)

    def peer(self, name="partner", version=None, session=None):
        return connect_tls(self.tls_port, tls_context(self.pki, name, version), session)


def main():
    """Run the tests of the calling file and print TAP."""
    import sys
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = TapResult()
    tests = list(flatten(suite))
    print(f"1..{len(tests)}", flush=True)
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


def flatten(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from flatten(t)
        else:
            yield t


class TapResult(unittest.TestResult):
    number = 0

    def say(self, ok, test, more=""):
        self.number += 1
        print(f"{'ok' if ok else 'not ok'} {self.number} - {getattr(test, '_testMethodName', test)}{more}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say(True, test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(True, test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(False, test)
        print("# " + self.failures[-1][1].replace("\n", "\n# "), flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.say(False, test)
        print("# " + self.errors[-1][1].replace("\n", "\n# "), flush=True)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.say(False, test, f" {subtest.params}")
            print("# " + "".join(traceback.format_exception(*err)).replace("\n", "\n# "), flush=True)
