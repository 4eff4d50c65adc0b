"""talk - calls that are written down once, and become SIPp's scenarios for both ends."""

# What the ends say, in order: "a" calls "b". A number answers the last request of the other side, or the last one of the
# method that follows. ".x" is a leg: one of the phones that ring at the callee, told apart by its To tag.
# An answer and the same side's next request may take different connections, so that either can arrive first: never in a row.
CALLS = {
    "caller ends": "a INVITE; b 180; b 200; a ACK; a INVITE; b 200; a ACK; b UPDATE; a 200; b INVITE; a 200; b ACK; a UPDATE; b 200; a BYE; b 200",
    "callee ends": "a INVITE; b 183; a UPDATE; b 200; b 200 INVITE; a ACK; b INVITE; a 200; b ACK; b BYE; a 200",
    "cancelled": "a INVITE; b 180; a CANCEL; b 200; b 487 INVITE; a ACK",
    "answered while cancelled": "a INVITE; b 180; a CANCEL; b 200; b 200 INVITE; a ACK; b INFO; a 200; b BYE; a 200",
    "forked": "a INVITE; b 183 .x; b 180 .y; b 180 .z; b 200 .y; a ACK .y; b 200 INVITE .z; a ACK .z; a BYE .z; b 200; a BYE .y; b 200",
    "redirected": "a INVITE; b 302; a ACK",
    "refused": "a INVITE; b 180; b 486; a ACK",
}

REASON = {"180": "Ringing", "183": "Session Progress", "200": "OK", "302": "Moved Temporarily", "486": "Busy Here", "487": "Request Terminated"}
# Both ends write these into whatever they say; nobody may ever hear them.
SPOOFED = ("P-Asserted-Identity: <sip:spoof@nowhere.example>\np-preferred-identity : \"spoof\" <sip:spoof@core.example>\n"
           "Remote-Party-ID: <sip:spoof@core.example>\n")


class Request:
    """A request that has been made, for what refers to it."""

    def __init__(self, method, cseq, at, first):
        self.method, self.cseq, self.first = method, cseq, first
        self.at = at        # its place in the scenario
        self.owed = 0       # INVITE: final answers without an ACK
        self.refused = False


class Talk:
    """
    `inside`: the ends that are containers, and must hear an asserted identity; the others must hear none.
    `direct`: between the ends there are only stateless proxies. A stateful one answers CANCEL and makes it anew, and ACK too.
    `vias`, `records`: how many lines of Via and Record-Route the first INVITE arrives with.
    """

    def __init__(self, script, caller, callee, inside, direct=True, vias=2, records=2):
        self.uri = {"a": caller, "b": callee}
        self.inside, self.direct = inside, direct
        # What all answers to the first INVITE copy. SIPp keeps only the message that came last, and that may be another one.
        self.copied = [(f"{name}{i}", header, i) for name, header, n in (("via", "Via", vias), ("record", "Record-Route", records))
                       for i in range(1, n + 1)]
        self.steps = {"a": [], "b": []}
        self.requests = {"a": [], "b": []}
        self.variables = {"a": set(), "b": set()}
        for step in script.split(";"):
            who, what, *more = step.split()
            other = "b" if who == "a" else "a"
            leg = "".join(m[1:] for m in more if m[0] == ".")
            method = "".join(m for m in more if m[0] != ".")
            if what.isdigit():
                self.answer(who, other, what, self.latest(other, method), leg)
            elif what == "ACK":
                self.ack(who, other, leg)
            else:
                self.request(who, other, what, leg)

    def scenario(self, end):
        return ('<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="talk">\n' + "\n".join(self.steps[end]) +
                f'\n<Reference variables="{",".join(sorted(self.variables[end]))}"/>\n</scenario>\n')

    def latest(self, end, method=""):
        return [r for r in self.requests[end] if method in ("", r.method)][-1]

    def say(self, who, start, lines):
        user = self.uri[who].split("@")[0]
        contact = f"Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>\n"
        self.steps[who].append(f"<send><![CDATA[\n{start}\n{lines}{contact}{SPOOFED}Content-Length: 0\n\n]]></send>")

    def hear(self, who, what, captures=(), asserted=None):
        """`captures`: (variable, attributes of ereg). `asserted`: whose identity is to be in it, if this end is one that is told."""
        captures = list(captures)
        if asserted:
            captures.append(("spoofed", 'regexp="spoof" search_in="msg" check_it_inverse="true"'))
            captures.append(("identity", f'regexp="^[[:space:]]*&lt;sip:{asserted}&gt;$" search_in="hdr" header="P-Preferred-Identity:" check_it="true"'
                             if who in self.inside else 'regexp="P-(Preferred|Asserted)-Identity" search_in="msg" check_it_inverse="true"'))
        self.variables[who].update(name for name, _ in captures)
        actions = "".join(f'<ereg {how} assign_to="{name}"/>' for name, how in captures)
        self.steps[who].append(f'<recv {what} rrs="true">' + (f"<action>{actions}</action>" if actions else "") + "</recv>")

    def request(self, who, other, method, leg):
        first = method == "INVITE" and not self.requests["a"]
        r = Request(method, len([m for m in self.requests[who] if m.method != "CANCEL"]) + 1, len(self.steps[who]), first)
        captures = []
        if first:
            captures = [(name, f'regexp=".*" search_in="hdr" header="{header}:" occurrence="{i}" check_it="true"') for name, header, i in self.copied]
            captures.append(("from", 'regexp=".*" search_in="hdr" header="From:" check_it="true"'))
        if method == "CANCEL":
            self.like_first(who, method, self.requests["a"][0], f"<sip:{self.uri['b']}>")
        elif first:
            self.like_first(who, method, r, f"<sip:{self.uri['b']}>")
        else:
            self.in_dialog(who, method, r.cseq, leg)
        self.requests[who].append(r)
        self.hear(other, f'request="{method}"', captures, self.uri[who] if self.direct or method != "CANCEL" else None)
        if method == "INVITE":
            self.steps[who].append('<recv response="100" optional="true"></recv>')

    def ack(self, who, other, leg):
        invite = next((r for r in self.requests[who] if r.owed), None)
        invite.owed -= 1
        if invite.refused:
            self.like_first(who, "ACK", invite, f"[$to{leg}]")
        else:
            self.in_dialog(who, "ACK", invite.cseq, leg)
        self.hear(other, 'request="ACK"', (), self.uri[who] if self.direct or not invite.refused else None)

    def like_first(self, who, method, invite, to):
        """The first INVITE itself, and what belongs to its transaction: the same branch, Request-URI and routes."""
        back = len(self.steps[who]) - invite.at
        self.say(who, f"{method} sip:{self.uri['b']} SIP/2.0",
                 f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch{'-' + str(back) if back else ''}]\nMax-Forwards: 70\n"
                 f"From: <sip:{self.uri[who]}>;tag=[call_number]a\nTo: {to}\nCall-ID: [call_id]\nCSeq: {invite.cseq} {method}\n")

    def in_dialog(self, who, method, cseq, leg):
        mine, theirs = ("[call_number]a", f"[$to{leg}]") if who == "a" else ("[call_number]b" + leg, "[$from]")
        self.say(who, f"{method} [next_url] SIP/2.0",
                 f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n[routes]\nMax-Forwards: 70\n"
                 f"From: <sip:{self.uri[who]}>;tag={mine}\nTo: {theirs}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n")

    def answer(self, who, other, status, r, leg):
        """The URI of an answer's identity is that of whom the request was for: of To."""
        captures = []
        start = f"SIP/2.0 {status} {REASON[status]}"
        if r.first:
            copied = "".join(f"{header}: [${name}]\n" for name, header, _ in self.copied)
            self.say(who, start, f"{copied}From: [$from]\nTo: <sip:{self.uri['b']}>;tag=[call_number]b{leg}\n"
                     f"Call-ID: [call_id]\nCSeq: 1 INVITE\n")
            captures = [("to" + leg, 'regexp=".*" search_in="hdr" header="To:" check_it="true"')]
        else:
            tag = ";tag=[call_number]b" if r.method == "CANCEL" else ""
            self.say(who, start, f"[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n")
        if status >= "200" and r.method == "INVITE":
            r.owed += 1
            r.refused = status >= "300"
        self.hear(other, f'response="{status}"', captures, self.uri[who] if self.direct or r.method != "CANCEL" else None)
