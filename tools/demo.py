#!/usr/bin/env python3
"""demo - three calls on a real sipward: a trusted peer, an unknown one, a spoofed identity."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SIPWARD_BUILD", ROOT / "build"))
WIDTH = 66


def port_or_free(wanted):
    """The wanted port if nobody listens there, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return s.getsockname()[1]
            except OSError:
                continue
    raise SystemExit("demo: no free port on 127.0.0.1")


def wait(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.02)
    raise SystemExit(f"demo: {what} did not happen within {seconds} s")


class Demo:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-demo-"))
        self.dir.chmod(0o755)
        self.children = []
        self.shown = self.dir / "container.log"
        self.log = self.dir / "sipward.log"

    def start(self):
        subprocess.run([ROOT / "tools" / "mkcerts", self.dir / "pki"], check=True)
        config = json.loads((ROOT / "config" / "demo.json").read_text())
        for listener in config["listeners"]:
            listener["port"] = port_or_free(listener["port"])
        server = config["clusters"]["main"]["servers"][0]
        server["port"] = port_or_free(server["port"])
        self.port = config["listeners"][0]["port"]
        (self.dir / "demo.json").write_text(json.dumps(config, indent=2) + "\n")
        self.spawn([BUILD / "sipward-sink", "--listen", f"127.0.0.1:{server['port']}", "--show"], stdout=open(self.shown, "wb"), stderr=subprocess.DEVNULL)
        self.spawn([BUILD / "sipward", "-c", self.dir / "demo.json"], stderr=open(self.log, "wb"))
        wait("the start of sipward", lambda: self.alive() and "event=container_up" in self.log.read_text(errors="replace"))

    def spawn(self, args, **kw):
        self.children.append(subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, **kw))

    def alive(self):
        for child in self.children:
            if child.poll() is not None:
                raise SystemExit(f"demo: {child.args[0]} ended with {child.returncode}\n{self.log.read_text(errors='replace')[-2000:]}")
        return True

    def stop(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in reversed(self.children):
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def connect(self, name):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.load_verify_locations(self.dir / "pki" / "ca.pem")
        ctx.load_cert_chain(self.dir / "pki" / f"{name}.pem", self.dir / "pki" / f"{name}.key")
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return ctx.wrap_socket(raw, server_hostname="edge.example")

    def at_container(self, call_id, method):
        """The message as the container got it, out of what sipward-sink shows."""
        def look():
            text = self.shown.read_bytes().decode("latin1")
            for m in re.finditer(rf"^{method} \S+ SIP/2\.0\r\n.*?\r\n\r\n", text, re.S | re.M):
                if f"Call-ID: {call_id}\r\n" in m.group(0):
                    return m.group(0)
            return None
        return wait(f"the arrival of {method} at the container", look)


def invite(user, call_id, extra=""):
    return (f"INVITE sip:bob@core.example SIP/2.0\r\nVia: SIP/2.0/TLS pbx.{user.split('@')[1]};branch=z9hG4bK{call_id};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{user}>;tag=1\r\nTo: <sip:bob@core.example>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: 1 INVITE\r\nContact: <sip:{user}>\r\n{extra}Content-Length: 0\r\n\r\n")


def in_dialog(method, answer, user, call_id, cseq):
    routes = re.findall(r"^Record-Route: (.*?)\r$", answer, re.M)
    to = re.search(r"^To: (.*?)\r$", answer, re.M).group(1)
    target = re.search(r"^Contact: <(.*?)>", answer, re.M).group(1)
    return (f"{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS pbx.partner.example;branch=z9hG4bK{call_id}{method};rport\r\n"
            + "".join(f"Route: {r}\r\n" for r in reversed(routes))
            + f"Max-Forwards: 70\r\nFrom: <sip:{user}>;tag=1\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
              "Content-Length: 0\r\n\r\n")


def final_answer(peer):
    data = b""
    while True:
        more = peer.recv(65536)
        if not more:
            raise SystemExit("demo: the connection ended without an answer")
        data += more
        for m in re.finditer(rb"SIP/2\.0 ([2-6]\d\d) .*?\r\n\r\n", data, re.S):
            return m.group(0).decode("latin1")


def side_by_side(left_title, left, right_title, right):
    def wrap(text):
        return [part for line in text.strip().split("\r\n") for part in (textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False) or [""])]
    rows = [wrap(left), wrap(right)]
    print(f"{left_title:{WIDTH}} | {right_title}")
    print("-" * WIDTH + "-+-" + "-" * WIDTH)
    for i in range(max(map(len, rows))):
        print(f"{rows[0][i] if i < len(rows[0]) else '':{WIDTH}} | {rows[1][i] if i < len(rows[1]) else ''}")
    print()


def trusted(demo):
    print("\n1. A call from partner.example, whose DN is configured\n")
    user, call_id = "alice@partner.example", "demo-1"
    with demo.connect("partner") as peer:
        sent = invite(user, call_id)
        peer.sendall(sent.encode())
        answer = final_answer(peer)
        side_by_side("as the peer sent it", sent, "as the container got it", demo.at_container(call_id, "INVITE"))
        peer.sendall(in_dialog("ACK", answer, user, call_id, 1).encode())
        peer.sendall(in_dialog("BYE", answer, user, call_id, 2).encode())
        bye = final_answer(peer)
        demo.at_container(call_id, "BYE")
    print(f"INVITE was answered {answer.split(chr(13))[0]!r}, BYE {bye.split(chr(13))[0]!r}: a whole call.")
    print("Why: the certificate's name is configured for partner.example and a CA that may issue it stands above it,\n"
          "so the container may believe the one P-Preferred-Identity that sipward wrote.\n")


def unknown(demo):
    print("2. The same from a domain whose certificate is good, but whose name nobody configured\n")
    sent, why = invite("mallory@stranger.example", "demo-2"), ""
    try:
        with demo.connect("stranger") as peer:
            peer.sendall(sent.encode())
            if not peer.recv(1):
                why = "the connection was closed"
    except (ssl.SSLError, ConnectionError) as e:
        why = re.sub(r"\s*\(_ssl.*", "", str(e))
    line = wait("the log line", lambda: re.findall(r".*event=connection_refused .*", demo.log.read_text(errors="replace")))[-1]
    side_by_side("as the peer sent it", sent, "as the container got it", "(nothing: refused in the TLS handshake)")
    field = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))
    print(f"The peer saw: {why}\nWhy, in sipward's log: {field.get('reason')}: {field.get('dn')}, issued by {field.get('issuer')}")
    if "nearest" in field:
        print(f"  nearest configured name {field['nearest']}, which differs: {field.get('difference')}")
    if "Call-ID: demo-2" in demo.shown.read_text(errors="replace"):
        raise SystemExit("demo: FAILED, the stranger's message reached the container")
    print()


def spoofed(demo):
    print("3. The trusted peer claims to be somebody else\n")
    call_id = "demo-3"
    with demo.connect("partner") as peer:
        sent = invite("alice@partner.example", call_id, "P-Preferred-Identity: <sip:director@core.example>\r\n"
                      "p-asserted-identity : <sip:director@core.example>\r\nRemote-Party-ID: <sip:director@core.example>\r\n")
        peer.sendall(sent.encode())
        final_answer(peer)
        got = demo.at_container(call_id, "INVITE")
        side_by_side("as the peer sent it", sent, "as the container got it", got)
        if "director" in got or got.count("P-Preferred-Identity:") != 1:
            raise SystemExit("demo: FAILED, a spoofed identity reached the container")
        print("Where the spoofed headers went: nowhere. All of them were removed, and the one that stands there now is\n"
              "sipward's, made from From. A From of core.example itself is refused:\n")
        sent = invite("director@core.example", "demo-4").replace("pbx.core.example", "pbx.partner.example")
        peer.sendall(sent.encode())
        side_by_side("as the peer sent it", sent, "what the peer got back", final_answer(peer))


def main():
    if sys.argv[1:] not in ([], ["--keep"]):
        print("usage: demo [--keep]", file=sys.stderr)
        return 2
    demo, keep = Demo(), sys.argv[1:] == ["--keep"]
    try:
        demo.start()
        trusted(demo)
        unknown(demo)
        spoofed(demo)
        if not keep:
            return 0
        print(f"sipward goes on running, pid {demo.children[1].pid}, in {demo.dir}: try\n"
              f"  build/sipwardctl -s {demo.dir}/control.sock status\nand end it with Ctrl-C, or: kill {demo.children[1].pid}")
        demo.children[1].wait()
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        demo.stop()


sys.exit(main())
