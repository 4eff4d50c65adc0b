#!/usr/bin/env python3
"""The hostile corpus through the real program, over real TLS.

test_hostile.py trusted|untrusted CLASS[,CLASS]   messages
test_hostile.py dn                                certificate names
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import shutil

from harness import BUILD, ROOT, Edge, free_port

CORPUS = ROOT / "tests" / "corpus"
PEER_DN = "CN=peer.example.net,O=Peer Example,C=FI"


def config(folder, pki, container, trust, dn, certificate="require", domain_trust=None, crl=None, port=0):
    tls = {"certificate": str(pki / "server.pem"), "private_key": str(pki / "server.key"), "trust": [str(trust)],
           "client_certificate": certificate}
    if crl:
        tls["crl"] = [str(crl)]
    entry = {"domain": "peer.example.net", "distinguished_name": dn, "protocol": "TLS", "host": "127.0.0.1", "port": 6061}
    if domain_trust:
        entry["trust"] = [str(domain_trust)]
    return {
        "workers": 2, "control_socket": str(folder / "control.sock"), "state_dir": str(folder),
        "listeners": [{"side": "external", "protocol": "TLS", "host": "127.0.0.1", "port": port, "tls": "edge"},
                      {"side": "internal", "protocol": "TCP", "host": "127.0.0.1", "port": 0}],
        "tls": {"edge": tls}, "local_domains": ["edge.example"],
        "clusters": {"main": {"servers": [{"host": "127.0.0.1", "port": container, "protocol": "TCP"}]}},
        "external_domains": [entry],
    }


def messages(folder, identity, classes):
    pki, port = folder / "pki", free_port()
    subprocess.run([sys.executable, CORPUS / "dn" / "mkcert.py", "--pki", pki], check=True, capture_output=True)
    cfg = config(folder, pki, port, pki / "ca1.pem", PEER_DN if identity == "trusted" else "CN=nobody,O=Nobody,C=FI",
                 "require" if identity == "trusted" else "request")
    edge = Edge(folder, cfg)
    edge.start()
    results = folder / "results.json"
    args = [sys.executable, CORPUS / "hostile.py", "--manifest", CORPUS / "manifest.json", "--proxy", f"127.0.0.1:{edge.port()}",
            "--ca", pki / "ca1.pem", "--cert", pki / "peer.pem", "--key", pki / "peer.key", "--container-port", str(port),
            "--identity", identity, "--json", results]
    for c in classes.split(","):
        args += ["--class", c]
    out = subprocess.run(args, capture_output=True, text=True, timeout=900)
    code = edge.stop()
    log = edge.log.read_text(errors="replace")
    rows = json.loads(results.read_text()) if results.exists() else []
    print(f"1..{len(rows) + 1}")
    for n, row in enumerate(rows, 1):
        print(f"{'ok' if row['pass'] else 'not ok'} {n} - {row['name']} ({row['outcome']})")
        for why in row["why"]:
            print(f"#   {why[:300]}")
    clean = code == 0 and rows and "Sanitizer" not in log and "runtime error" not in log and "worker_died" not in log
    print(f"{'ok' if clean else 'not ok'} {len(rows) + 1} - sipward ended cleanly")
    if not clean:
        print("# " + (out.stdout[-2000:] + out.stderr[-2000:] + log[-4000:]).replace("\n", "\n# "))
    return 0 if clean and all(r["pass"] for r in rows) else 1


def names(folder):
    port, proxy = free_port(), free_port()
    pki = folder / "work" / "pki"
    subprocess.run([sys.executable, CORPUS / "dn" / "mkcert.py", "--pki", pki], check=True, capture_output=True)
    hook = folder / "hook.sh"
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/tests/flow/test_hostile.py hook {folder} {port} {proxy}\n")
    hook.chmod(0o755)
    out = subprocess.run([sys.executable, CORPUS / "hostile.py", "--dn", CORPUS / "dn" / "manifest.json", "--dn-hook", str(hook),
                          "--dn-work", folder / "work", "--proxy", f"127.0.0.1:{proxy}", "--ca", pki / "ca1.pem",
                          "--container-port", str(port), "-v"], capture_output=True, text=True, timeout=900)
    stop_last(folder)
    lines = [l for l in out.stdout.splitlines() if l.startswith(("ok ", "FAIL "))]
    print(f"1..{len(lines) + 1}")
    for n, line in enumerate(lines, 1):
        good, rest = line.startswith("ok"), line.split(None, 1)[1]
        print(f"{'ok' if good else 'not ok'} {n} - {rest}")
    expected = len(json.loads((CORPUS / "dn" / "manifest.json").read_text())["cases"])
    complete = len(lines) == expected
    print(f"{'ok' if complete else 'not ok'} {len(lines) + 1} - all {expected} names were tried")
    if out.returncode or not complete:
        print("# " + (out.stdout[-3000:] + out.stderr[-3000:]).replace("\n", "\n# "))
    return 0 if complete and out.returncode == 0 else 1


def stop_last(folder):
    pid = folder / "edge.pid"
    if pid.exists():
        try:
            os.kill(int(pid.read_text()), signal.SIGTERM)
            for _ in range(300):
                os.kill(int(pid.read_text()), 0)
                import time
                time.sleep(0.01)
        except ProcessLookupError:
            pass
        pid.unlink()


def hook(folder, container, proxy):
    """Called by hostile.py before each name: a fresh sipward with that one DN."""
    stop_last(folder)
    env = os.environ
    run = pathlib.Path(tempfile.mkdtemp(dir=folder))
    os.chmod(run, 0o755)
    cfg = config(run, folder / "work" / "pki", int(container), env["DN_CA_FILE"], env["DN_CONFIG"], "require", env["DN_ISSUER_CA"],
                 env.get("DN_CRL") or None, int(proxy))
    cfg["workers"] = 1
    edge = Edge(run, cfg)
    check = subprocess.run([str(BUILD / "sipward"), "--check", "-c", str(edge.file)], capture_output=True, text=True)
    if check.returncode == 78:
        return 3
    if check.returncode:
        return 1
    edge.start()
    (folder / "edge.pid").write_text(str(edge.process.pid))
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "hook":
        code = hook(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4])
        sys.stdout.flush()
        os._exit(code)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sipward-hostile-"))
    os.chmod(folder, 0o755)
    try:
        code = names(folder) if sys.argv[1] == "dn" else messages(folder, sys.argv[1], sys.argv[2])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)
