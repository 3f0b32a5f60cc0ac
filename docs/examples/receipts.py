#!/usr/bin/env python3
"""Sends a PEC and tells, for each recipient, what became of it.

    python3 receipts.py SANDBOX.JSON SECONDS RECIPIENT...

Waits until every recipient has an outcome, or until nothing new has come for SECONDS. Writes the receipts into the
current directory. Needs Python 3.9 or later and nothing else.
"""
import email.message, email.policy, email.utils
import imaplib, json, pathlib, smtplib, ssl, sys, time
import xml.etree.ElementTree as ET

# What a receipt says about its recipient. Further down wins: after an overdue notice a delivery still counts.
NEWS = {"accettazione": "accepted", "preavviso-errore-consegna": "overdue", "non-accettazione": "failed",
        "errore-consegna": "failed", "avvenuta-consegna": "delivered"}
RANK = ["no receipt", "accepted", "overdue", "failed", "delivered"]


def compose(sender, recipients, msgid):
    message = email.message.EmailMessage(policy=email.policy.SMTP)  # lines end in CRLF: PEC demands it
    message["From"] = sender
    message["To"] = ", ".join(recipients)  # every recipient stands here or in Cc; Bcc is forbidden
    message["Subject"] = "Prova"
    message["Date"] = email.utils.formatdate()
    message["Message-ID"] = msgid
    message.set_content("Buongiorno.\n")
    return message.as_bytes()


def submit(provider, account, recipients, octets, tls):
    """After a 4xx or a lost connection send the same octets again: the provider knows them by their Message-ID."""
    def must(reply):
        if reply[0] >= 400:
            raise smtplib.SMTPResponseException(*reply)
    host, port = provider["submissions"].rsplit(":", 1)
    with smtplib.SMTP_SSL(host, int(port), context=tls) as smtp:
        smtp.login(account["address"], account["password"])
        must(smtp.mail(account["address"]))
        for recipient in recipients:  # sendmail() goes on without a refused recipient; this is all or none
            must(smtp.rcpt(recipient))
        must(smtp.data(octets))


def certification_data(message):
    """Returns the root of the signed daticert.xml. Only a child of the signed multipart/mixed is the provider's: one
    inside message/rfc822 belongs to another message. Text, HTML and Subject are for people: never parse them."""
    if message.get_content_type() != "multipart/signed" or not message.is_multipart():
        raise ValueError("not signed")
    mixed = message.get_payload(0)
    for part in mixed.get_payload() if mixed.get_content_type() == "multipart/mixed" else []:
        if (part.get_filename() or "").lower() == "daticert.xml" and not part.is_multipart():
            text = part.get_payload(decode=True).decode("utf-8-sig").strip()
            if "<!DOCTYPE" in text:  # no DTD, so no entities: nothing is fetched, nothing grows
                raise ValueError("daticert.xml has a DTD")
            return ET.fromstring(text)
    raise ValueError("no daticert.xml")


class Sent:
    """A message of ours and what is known of it. A long-lived program keeps this in its database."""

    def __init__(self, msgid, recipients):
        self.msgid, self.ids = msgid, set()  # ids: the provider's, from the acceptance
        self.outcome = {recipient: ("no receipt", "") for recipient in recipients}
        self.open = set(recipients)

    def hear(self, raw, name):
        """Takes a message of the mailbox. A receipt that cannot be read is for a person, never a reason to stop."""
        message = email.message_from_bytes(raw)
        if "X-Ricevuta" not in message:  # outside the signature: a hint that parsing is worth it, and no more
            return
        try:
            data = certification_data(message)
        except (ValueError, LookupError, ET.ParseError) as error:
            pathlib.Path(name).write_bytes(raw)
            print(f"unreadable receipt: {error} -> {name}")
            return
        text = lambda tag: " ".join(data.findtext("dati/" + tag, "").split())
        msgid = text("msgid") or message["X-Riferimento-Message-ID"] or ""
        if msgid.strip(" <>\r\n\t") != self.msgid.strip("<>") and text("identificativo") not in self.ids:
            return
        pathlib.Path(name).write_bytes(raw)  # the evidence is these very octets, signature included
        kind, about = data.get("tipo", ""), text("consegna")
        if kind == "accettazione":
            self.ids.add(text("identificativo"))  # the second key of what follows
        print(*filter(None, (kind, about, data.get("errore"), text("errore-esteso"), "->", name)))
        external = [(e.text or "").strip().lower() for e in data.iterfind("*/destinatari[@tipo='esterno']")]
        for recipient, (state, _) in self.outcome.items():
            # Acceptance and non-acceptance are about all recipients; the others name theirs in consegna.
            concerned = about.lower() == recipient.lower() if about else kind in ("accettazione", "non-accettazione")
            if concerned and RANK.index(NEWS.get(kind, "no receipt")) > RANK.index(state):
                self.outcome[recipient] = NEWS[kind], text("errore-esteso")
                if NEWS[kind] in ("failed", "delivered") or recipient.lower() in external:  # no PEC: no more receipts
                    self.open.discard(recipient)


def main(path, patience, *recipients):
    sandbox = json.loads(pathlib.Path(path).read_text())
    provider = sandbox["providers"][0]
    account = provider["mailboxes"][0]
    tls = ssl.create_default_context(cafile=pathlib.Path(path).parent / sandbox["ca_file"])
    sent = Sent(email.utils.make_msgid(domain="programma.test"), recipients)  # store the id before sending
    host, port = provider["imaps"].rsplit(":", 1)
    with imaplib.IMAP4_SSL(host, int(port), ssl_context=tls) as imap:
        imap.login(account["address"], account["password"])
        imap.select("INBOX", readonly=True)  # a place in UIDs, not \Seen: others may read this mailbox too
        validity, uid = (int(imap.response(code)[1][0]) for code in ("UIDVALIDITY", "UIDNEXT"))
        try:
            submit(provider, account, recipients, compose(account["address"], recipients, sent.msgid), tls)
        except smtplib.SMTPResponseException as refusal:
            word = "refused" if refusal.smtp_code >= 500 else "try again later"
            sys.exit(f"{word}: {refusal.smtp_code} {refusal.smtp_error.decode()}")
        last_news = time.monotonic()
        while sent.open and time.monotonic() - last_news < float(patience):
            time.sleep(0.5)  # a program that runs for long uses IDLE
            imap.noop()
            for new in sorted(map(int, imap.uid("SEARCH", f"UID {uid}:*")[1][0].split())):
                if new >= uid:  # n:* always has the last message
                    fetched = imap.uid("FETCH", str(new), "(BODY.PEEK[])")[1][0]
                    if fetched:  # nobody has expunged it
                        sent.hear(fetched[1], f"{validity}-{new}.eml")
                    uid, last_news = new + 1, time.monotonic()
    for recipient, (state, detail) in sent.outcome.items():
        print(f"{recipient}: {state}" + (f": {detail}" if state == "failed" else ""))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
