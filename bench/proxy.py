"""One proxy under measurement: its configuration, its processes, what they use."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import report

PEERS_FOLDER = pathlib.Path(__file__).resolve().parent / "peers"
TICKS = os.sysconf("SC_CLK_TCK")

# Name: how it is started in a folder of its configuration.
PEERS = {
    "nginx": lambda build, d: ["nginx", "-c", d / "nginx.conf"],
    "haproxy": lambda build, d: ["haproxy", "-db", "-f", d / "haproxy.cfg"],
    "kamailio": lambda build, d: ["kamailio", "-DD", "-E", "-m", "1024", "-M", "32", "-x", "tlsf", "-X", "tlsf", "-Y", d, "-f", d / "kamailio.cfg"],
    "sipward": lambda build, d: [build / "sipward", "-c", d / "sipward.json"],
}
WRITE_IDENTITY = {"kamailio", "sipward"}  # which the container then checks


def free_ports(count):
    socks = [socket.socket() for _ in range(count)]
    try:
        for s in socks:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in socks]
    finally:
        for s in socks:
            s.close()


def start_on(cores, args, **kw):
    return subprocess.Popen([str(a) for a in args], preexec_fn=lambda: os.sched_setaffinity(0, cores), stdin=subprocess.DEVNULL, **kw)


def family(pid):
    """The process and all that it started: {pid: clock ticks of CPU time, of children that ended included}."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                field = pathlib.Path("/proc", name, "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            stats[int(name)] = (int(field[1]), sum(map(int, field[11:15])))
    ours = {pid}
    while True:
        more = {p for p, (parent, _) in stats.items() if parent in ours} - ours
        if not more:
            return {p: stats[p][1] for p in ours if p in stats}
        ours |= more


def names_of(count):
    """The trusted name, last, so that a linear search is not flattered, and others: (CN, O, C, domain)."""
    others = [(f"peer{i}.example.net", f"Peer {i} Ltd", "GB", f"peer{i}.example.net") for i in range(1, count)]
    return others + [("sip.partner.example", "Partner GmbH", "DE", "partner.example")]


def write_lists(d, count, sink):
    """The trusted names in each proxy's own format."""
    names = names_of(count)
    slashed = [f"/C={c}/O={o}/CN={cn}" for cn, o, c, _ in names]
    (d / "dns.map").write_text("".join(f'"CN={cn},O={o},C={c}" 127.0.0.1:{sink};\n' for cn, o, c, _ in names))
    (d / "dns.lst").write_text("".join(s + "\n" for s in slashed))
    (d / "domains.jsonl").write_text("".join(json.dumps({"domain": domain, "distinguished_name": f"CN={cn},O={o},C={c}", "protocol": "TLS",
                                                        "host": "127.0.0.1", "port": 6061}) + "\n" for cn, o, c, domain in names))
    db = d / "dbtext"
    db.mkdir()
    rows = "".join(f"{i}:{s}:0:0:{names[i][3]}:0\n" for i, s in enumerate(slashed))
    (db / "trust").write_text("id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n" + rows)
    (db / "version").write_text("table_name(string) table_version(int)\ntrust:2\n")


class Proxy:
    """A running proxy with a container behind it; a context manager that stops both."""

    def __init__(self, name, build, pki, edge, names, workers=1):
        self.name, self.build, self.pki, self.workers = name, build, pki, workers
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"compare-{name}-"))
        self.folder.chmod(0o755)
        self.port, inside, self.sink_port = free_ports(3)
        for template in PEERS_FOLDER.iterdir():
            text = template.read_text()
            for key, value in {"DIR": self.folder, "PKI": pki, "EDGE": pki / edge, "PORT": self.port, "INSIDE": inside, "SINK": self.sink_port, "WORKERS": workers}.items():
                text = text.replace(f"@{key}@", str(value))
            (self.folder / template.name).write_text(text)
        (self.folder / "edge-bundle.pem").write_text((pki / f"{edge}.pem").read_text() + (pki / f"{edge}.key").read_text())
        write_lists(self.folder, names, self.sink_port)

    def __enter__(self):
        check = ["--expect-identity", "--forbid", "spoofed"] if self.name in WRITE_IDENTITY else []
        self.sink = start_on(report.CORES[-1:], [self.build / "sipward-sink", "--listen", f"127.0.0.1:{self.sink_port}", "--count", *check],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        log = self.folder / "output.log"
        with open(log, "wb") as output:
            self.process = start_on(report.CORES[:self.workers], PEERS[self.name](self.build, self.folder), stdout=output, stderr=output)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    time.sleep(0.5)
                    return self
            time.sleep(0.05)
        text = log.read_text(errors="replace")[-2000:]
        self.stop()
        raise SystemExit(f"compare: {self.name} does not listen:\n{text}")

    def __exit__(self, *error):
        counts = self.stop()
        if self.sink.returncode != 0 and not any(error):
            raise SystemExit(f"compare: {self.name}: requests came without exactly one identity, or spoofed: {counts}")

    def stop(self):
        """End the proxy and whatever of its family is left, and the container; what that counted."""
        others = set(family(self.process.pid)) - {self.process.pid}
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in others:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.sink.terminate()
        counts = self.sink.communicate()[0]
        shutil.rmtree(self.folder, ignore_errors=True)
        return counts

    def load(self, *arguments, before=()):
        """Start sipward-load against it, as the peer that it trusts; `before`: what is to start that."""
        return start_on(report.CORES[-1:], [*before, self.build / "sipward-load", "--connect", f"127.0.0.1:{self.port}", "--ca", self.pki / "ca.pem",
                        "--sni", "edge.example", "--cert", self.pki / "partner.pem", "--key", self.pki / "partner.key", "--announce", *arguments],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def follow(self, load):
        """Wait for the load: (what it counted, what it said else, our CPU seconds and memory as its measured part began and ended)."""
        at, said = {}, ""
        for line in load.stderr:
            if line.strip() in ("measuring", "measured"):
                at[line.strip()] = self.cpu_seconds(), self.memory_kib()
            else:
                said += line
        out = load.stdout.read()
        if load.wait() not in (0, 1) or not out or len(at) < 2:
            raise SystemExit(f"sipward-load failed: {said}")
        return json.loads(out), said.strip(), at

    def cpu_seconds(self):
        return sum(family(self.process.pid).values()) / TICKS

    def memory_kib(self):
        """PSS of all processes: what is shared is counted once."""
        kib = 0
        for pid in family(self.process.pid):
            try:
                text = pathlib.Path("/proc", str(pid), "smaps_rollup").read_text()
            except OSError:
                continue
            kib += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        return kib
