#!/usr/bin/env python3
"""Whole calls by SIPp over mutual TLS (behind stunnel, for Debian's SIPp speaks none) into a SIPp container."""
import os
import subprocess

from harness import Edge, main
from peers import PeerTest, Port

CALLS = int(os.environ.get("SIPWARD_SIPP_CALLS", "1000"))

UAC = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="call">
 <send retrans="500"><![CDATA[
INVITE sip:bob@core.example SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:alice@partner.example>;tag=[call_number]
To: <sip:bob@core.example>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:alice@[local_ip]:[local_port];transport=tcp>
Max-Forwards: 70
P-Asserted-Identity: <sip:ceo@core.example>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [media_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
 ]]></send>
 <recv response="100" optional="true"/>
 <recv response="180" optional="true"/>
 <recv response="200" rrs="true"/>
 <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:alice@partner.example>;tag=[call_number]
To: <sip:bob@core.example>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

 ]]></send>
 <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:alice@partner.example>;tag=[call_number]
To: <sip:bob@core.example>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

 ]]></send>
 <recv response="200"/>
</scenario>
"""

UAS = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="container">
 <recv request="INVITE" rrs="true">
  <action>
   <ereg regexp="&lt;sip:alice@partner.example&gt;" search_in="hdr" header="P-Preferred-Identity:" check_it="true" assign_to="1"/>
   <ereg regexp=".*" search_in="hdr" header="P-Asserted-Identity:" check_it_inverse="true" assign_to="2"/>
  </action>
 </recv>
 <Reference variables="1,2"/>
 <send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port];transport=tcp>
Content-Length: 0

 ]]></send>
 <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port];transport=tcp>
Content-Length: 0

 ]]></send>
 <recv request="ACK"/>
 <recv request="BYE"/>
 <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

 ]]></send>
</scenario>
"""


class Sipp(PeerTest):
    programs = ("sipp", "stunnel4")

    def test_calls_over_one_connection(self):
        self.calls("t1", CALLS)

    def test_calls_over_a_connection_each(self):
        self.calls("tn", max(CALLS // 4, 1))

    def calls(self, transport, count):
        uas, uac = self.run_dir / "uas.xml", self.run_dir / "uac.xml"
        uas.write_text(UAS)
        uac.write_text(UAC)
        container = Port()
        self.containers = [container]
        self.spawn("sipp", "-sf", uas, "-i", "127.0.0.1", "-p", container.port, "-t", "tn", "-max_socket", "100", "-nostdin")
        self.running = Edge(self.run_dir, self.config([container]))
        self.running.start()
        self.running.logged("event=container_up", 10)
        tunnel = self.stunnel("partner", f"127.0.0.1:{self.running.port()}")
        stats = self.run_dir / "stats.csv"
        caller = subprocess.run(["sipp", "-sf", str(uac), f"127.0.0.1:{tunnel}", "-i", "127.0.0.1", "-t", transport, "-max_socket", "500", "-m", str(count), "-r", "400",
                                 "-l", "100", "-nostdin", "-trace_stat", "-stf", str(stats), "-trace_err", "-error_file", str(self.run_dir / "err.log"), "-timeout", "240"],
                                cwd=self.run_dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        errors = (self.run_dir / "err.log").read_text()[-2000:] if (self.run_dir / "err.log").exists() else ""
        self.assertEqual(caller.returncode, 0, caller.stdout.decode(errors="replace")[-1500:] + errors)
        names, *rows = [line.split(";") for line in stats.read_text().splitlines()]
        last = dict(zip(names, rows[-1]))
        self.assertEqual((last["SuccessfulCall(C)"], last["FailedCall(C)"]), (str(count), "0"))
        self.assertEqual(self.running.status()["counters"]["identity_violations"], 0)


if __name__ == "__main__":
    main()
