#!/usr/bin/env python3
"""Sessions are good on every worker, over a reload and a worker's death, and worth no more than a full handshake."""
import os
import signal
import ssl

from harness import FlowTest, connect_tls, main, request, tls_context, wait_for, PARTNER_DN

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Sessions(FlowTest):
    workers = 4

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pki.crl("list", revoked=["partner"])
        cls.pki.ca("ca2", "/C=DE/O=Other/CN=Other CA")

    def call(self, ctx, session=None, port=None):
        """One connection, one request: the link, which was answered."""
        link = connect_tls(port or self.tls_port, ctx, session)
        link.send(request(call_id="c"))
        self.assertEqual(link.recv().status, 200)
        return link

    def use(self, ctx, session, times=16):
        """So many resumed connections, to whichever worker; the session of the last."""
        for i in range(times):
            link = self.call(ctx, session)
            self.assertTrue(link.sock.session_reused, f"{ctx.maximum_version!r}, connection {i}")
            session = link.sock.session
            link.close()
        return session

    def begin(self, version):
        ctx = tls_context(self.pki, "partner", version)
        link = self.call(ctx)
        self.assertFalse(link.sock.session_reused)
        session = link.sock.session
        link.close()
        return ctx, session

    def counter(self, name):
        return self.running.status()["counters"][name]

    def refused(self, ctx, session):
        with self.assertRaises((ssl.SSLError, ConnectionError, AttributeError)):
            self.call(ctx, session)

    def test_on_every_worker(self):
        self.edge()
        for version in VERSIONS:
            self.use(*self.begin(version))
        self.assertGreater(self.counter("resumed_elsewhere"), 0)

    def test_over_a_reload_and_deaths(self):
        self.edge()
        for version in VERSIONS:
            ctx, session = self.begin(version)
            self.running.reload()
            session = self.use(ctx, session, 8)
            before = [w["pid"] for w in self.running.status()["workers"]]
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            wait_for("new workers", lambda: all(w["generation"] and w["pid"] not in before for w in self.running.status()["workers"]), 10)
            self.use(ctx, session, 8)

    def test_worth_no_more_than_a_full_handshake(self):
        self.edge()
        good = self.running.config
        domain = good["external_domains"][0]
        changes = {
            "another DN": {"external_domains": [dict(domain, distinguished_name="CN=else")]},
            "disabled": {"external_domains": [dict(domain, enabled=False)]},
            "another pin": {"external_domains": [dict(domain, spki_sha256="00" * 32)]},
            "revoked": {"tls": {"edge": dict(good["tls"]["edge"], crl=[str(self.pki.path("list.crl"))])}},
            "another CA": {"tls": {"edge": dict(good["tls"]["edge"], trust=[str(self.pki.path("ca2.pem"))])}},
        }
        for version in VERSIONS:
            for why, change in changes.items():
                with self.subTest(why):
                    ctx, session = self.begin(version)
                    self.running.reload(dict(good, **change))
                    for _ in range(6):
                        self.refused(ctx, session)
                    self.running.reload(good)

    def test_good_at_its_own_listener_alone(self):
        second = {"side": "external", "protocol": "TLS", "host": "127.0.0.1", "port": 0, "tls": "edge"}
        cfg = self.config([])
        self.edge(listeners=cfg["listeners"] + [second])
        other = next(l["port"] for l in self.running.status()["listeners"] if l["side"] == "external" and l["port"] != self.tls_port)
        for version in VERSIONS:
            ctx, session = self.begin(version)
            for _ in range(4):
                link = self.call(ctx, session, other)
                self.assertFalse(link.sock.session_reused)
                link.close()

    def test_age_counts_from_the_full_handshake(self):
        """Renewed again and again, a session ends all the same."""
        self.edge(tls={"edge": dict(self.config([])["tls"]["edge"], resumption_lifetime=3)})
        for version in VERSIONS:
            ctx, session = self.begin(version)
            state = {"session": session, "resumed": 0}

            def grown_old():
                link = self.call(ctx, state["session"])
                state["resumed"] += link.sock.session_reused
                state["session"] = link.sock.session
                link.close()
                return not link.sock.session_reused

            wait_for("a full handshake", grown_old, 20)
            self.assertGreater(state["resumed"], 0)

    def test_none_where_it_is_off(self):
        self.edge(tls={"edge": dict(self.config([])["tls"]["edge"], resumption=False)})
        for version in VERSIONS:
            ctx, session = self.begin(version)
            for _ in range(4):
                link = self.call(ctx, session)
                self.assertFalse(link.sock.session_reused)
                link.close()


if __name__ == "__main__":
    main()
