"""peers - other people's programs in the flow tests: SIPp, stunnel, Kamailio."""
import ctypes
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import FlowTest, die_with_parent, free_port, wait_for

TLS_MODULE = next(iter(glob.glob("/usr/lib/*/kamailio/modules/tls.so")), None)


def end_with_parent():
    """As die_with_parent, for a program that ends its own children when it is asked to end."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Port:
    """Stands for a container in the harness: only its place matters."""

    def __init__(self, host="127.0.0.1"):
        self.host, self.port = host, free_port()
        self.at = f"{host}:{self.port}"

    def close(self):
        pass


class PeerTest(FlowTest):
    """Runs other programs beside the edge, and ends them after each test."""

    programs = ()

    def setUp(self):
        missing = [p for p in self.programs if not shutil.which(p)]
        if "kamailio" in self.programs and not TLS_MODULE:
            missing.append("kamailio's tls")
        if missing:
            self.skipTest(f"not installed: {', '.join(missing)} (tools/deps)")
        super().setUp()
        self.children = []

    def tearDown(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        super().tearDown()

    def file(self, name, text=""):
        """A file of its own in the test's folder."""
        fd, path = tempfile.mkstemp(prefix=name + ".", dir=self.run_dir)
        os.close(fd)
        with open(path, "w") as f:
            f.write(text)
        return path

    def spawn(self, *args, preexec=die_with_parent, log=None):
        out = open(log, "wb") if log else subprocess.DEVNULL
        child = subprocess.Popen([str(a) for a in args], cwd=self.run_dir, preexec_fn=preexec, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT)
        self.children.append(child)
        return child

    def stunnel(self, cert, connect, server=False, host="127.0.0.1"):
        """TLS around SIPp, which speaks none: returns the port. A client shows `cert` to the edge, a server wants the edge's."""
        port = free_port()
        pki = self.pki
        conf = self.file("stunnel.conf", f"foreground = yes\npid =\n[sip]\nclient = {'no' if server else 'yes'}\naccept = {host}:{port}\n"
                         f"connect = {connect}\ncert = {pki.path(cert + '.pem')}\nkey = {pki.path(cert + '.key')}\n"
                         f"CAfile = {pki.path('ca.pem')}\nverifyChain = yes\n{'requireCert = yes' if server else ''}\n")
        self.spawn(shutil.which("stunnel4") or "stunnel", conf)
        wait_for("stunnel", lambda: listening(host, port))
        return port

    def kamailio(self, front, behind, edge, tls=None):
        """
        A proxy with tm and Record-Route at the place `front`: what comes in there goes to the place `behind`; what comes
        from there, by the "host:port" that is returned, goes to `edge`. Over TCP, or to and from the edge by mutual TLS
        with the certificate `tls`.
        """
        back = Port(front.host)
        proto = "tls" if tls else "tcp"
        key = f"private_key = {self.pki.path(str(tls) + '.key')}\ncertificate = {self.pki.path(str(tls) + '.pem')}\nca_list = {self.pki.path('ca.pem')}\n"
        tls_conf = self.file("tls.cfg", "".join(f"[{side}:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\n{key}\n"
                                                for side in ("server", "client")))
        conf = self.file("kamailio.cfg", KAMAILIO.format(
            listen=f"listen={proto}:{front.at}\nlisten=tcp:{back.at}\ntcp_source_ipv4={front.host}\n", modules=os.path.dirname(TLS_MODULE),
            tls=f'enable_tls=yes\nloadmodule "tls.so"\nmodparam("tls", "config", "{tls_conf}")\n' if tls else "", front=front.port, behind=behind.at,
            edge=f"{edge};transport={proto}"))
        log = self.file("kamailio.log")
        child = self.spawn("kamailio", "-DD", "-E", "-f", conf, "-m", "64", "-M", "8", "-Y", self.run_dir, preexec=end_with_parent, log=log)

        def up():
            if child.poll() is not None:
                with open(log, errors="replace") as f:
                    raise AssertionError("kamailio: " + f.read()[-2000:])
            return listening(front.host, front.port) and listening(back.host, back.port)
        wait_for("kamailio", up)
        return back.at

    def sipp(self, scenario, place, remote=None, count=1, udp=False):
        """One SIPp over TCP, or UDP: it calls `remote` ("host:port") once it is told to, or waits for calls."""
        run = SippRun(self, scenario, place, remote, count, udp)
        own = ("udp", "07") if udp else ("tcp", "0A")
        wait_for("sipp", lambda: run.child.poll() is not None or (listening(place.host, place.port, *own) and listening("0.0.0.0", run.control, "udp", "07")))
        return run


def listening(host, port, table="tcp", state="0A"):
    """Does somebody listen there? Asked of the kernel, for a connection would be one too many."""
    want = f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"
    with open(f"/proc/net/{table}") as f:
        return any(line.split()[1] == want and line.split()[3] == state for line in f)


def control_port():
    """SIPp binds it on all addresses, a little later: one that the system gives to nobody by itself."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


class SippRun:
    def __init__(self, test, scenario, place, remote, count, udp):
        self.control = control_port()
        self.errors, self.stats = test.file("sipp.err"), test.file("sipp.csv")
        args = ["sipp", "-sf", test.file("scenario.xml", scenario), "-i", place.host, "-p", place.port, "-bind_local", "-m", count, "-nostdin", "-buff_size", 4194304,
                "-cp", self.control, "-trace_stat", "-stf", self.stats, "-trace_err", "-error_file", self.errors, "-timeout", 150,
                "-timeout_error", "-recv_timeout", 20000]
        args += ["-t", "u1" if udp else "t1" if remote else "tn"]
        args += [remote, "-r", 0, "-l", 50] if remote else ["-max_socket", 500]
        self.child = test.spawn(*args)

    def begin(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"cset rate 100", ("127.0.0.1", self.control))

    def result(self):
        """Wait for its end: (exit code, calls that went well, calls that did not), and what it complained of."""
        code = self.child.wait(200)
        with open(self.errors, errors="replace") as f:
            errors = f.read()
        with open(self.stats) as f:
            names, *rows = [line.split(";") for line in f.read().splitlines()]
        last = dict(zip(names, rows[-1]))
        return (code, int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])), errors[:3000]


# Towards the edge by one port, towards who is behind by the other; no DNS, and nothing but the messages' own routes
# once there is a dialog. One process for TCP: with two, this version's TLS frees memory twice.
KAMAILIO = """#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=1
tcp_accept_no_cl=no
server_signature=no
auto_aliases=no
dns=no
rev_dns=no
use_dns_cache=no
mpath="{modules}/"
{listen}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
{tls}
modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 20000)

request_route {{
    if (!mf_process_maxfwd_header("70")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("INVITE")) {{ record_route(); }}
    if ($Rp == {front}) {{ $du = "sip:{behind};transport=tcp"; }} else {{ $du = "sip:{edge}"; }}
    if (!t_relay()) {{ sl_reply_error(); }}
}}
"""
