import com.google.gson.Gson;
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.*;
import java.util.stream.*;
import javax.net.ssl.*;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;

/**
 * Sends a PEC and tells, for each recipient, what became of it.
 *
 * <pre>java -cp '/usr/share/java/*' Receipts.java SANDBOX.JSON SECONDS RECIPIENT...</pre>
 *
 * Waits until every recipient has an outcome, or until nothing new has come for SECONDS. Writes the receipts into the
 * current directory. Needs Java 17 or later, Jakarta Mail and Gson; on Debian openjdk-17-jdk-headless
 * libjakarta-mail-java libgoogle-gson-java.
 */
public final class Receipts {
    /** What is known of a recipient. The later wins: after an overdue notice a delivery still counts. */
    enum State { NO_RECEIPT, ACCEPTED, OVERDUE, FAILED, DELIVERED }

    record Outcome(State state, String detail) {
        @Override public String toString() {
            return state.name().toLowerCase(Locale.ROOT).replace('_', ' ') + (state == State.FAILED ? ": " + detail : "");
        }
    }

    // What a receipt says about its recipient.
    static final Map<String, State> NEWS = Map.of("accettazione", State.ACCEPTED, "preavviso-errore-consegna", State.OVERDUE,
        "non-accettazione", State.FAILED, "errore-consegna", State.FAILED, "avvenuta-consegna", State.DELIVERED);

    // sandbox.json, as far as this needs it
    record Account(String address, String password) {}
    record Provider(String submissions, String imaps, List<Account> mailboxes) {}
    record Sandbox(String ca_file, List<Provider> providers) {}

    /** A message of ours and what is known of it. A long-lived program keeps this in its database. */
    static final class Sent {
        final String msgid;
        final Set<String> ids = new HashSet<>();  // the provider's, from the acceptance
        final Map<String, Outcome> outcome = new LinkedHashMap<>();
        final Set<String> open = new HashSet<>();

        Sent(String msgid, List<String> recipients) {
            this.msgid = msgid;
            recipients.forEach(r -> outcome.put(r, new Outcome(State.NO_RECEIPT, "")));
            open.addAll(recipients);
        }

        /** Takes a message of the mailbox. A receipt that cannot be read is for a person, never a reason to stop. */
        void hear(MimeMessage message, Path file) throws Exception {
            if (message.getHeader("X-Ricevuta") == null) {
                return;  // it is outside the signature: a hint that parsing is worth it, and no more
            }
            Element data;
            try {
                data = certificationData(message);
            } catch (Exception e) {
                keep(message, file);
                System.out.println("unreadable receipt: " + clean(e.getMessage()) + " -> " + file);
                return;
            }
            String id = text(data, "identificativo"), msgid = text(data, "msgid");
            if (msgid.isEmpty()) {
                msgid = clean(message.getHeader("X-Riferimento-Message-ID", null));
            }
            if (!bare(msgid).equals(bare(this.msgid)) && !ids.contains(id)) {
                return;
            }
            keep(message, file);
            String kind = data.getAttribute("tipo"), about = text(data, "consegna"), detail = text(data, "errore-esteso");
            if (kind.equals("accettazione")) {
                ids.add(id);  // the second key of what follows
            }
            System.out.println(clean(String.join(" ", kind, about, data.getAttribute("errore"), detail, "->", file.toString())));
            Set<String> external = elements(data, "destinatari").filter(e -> e.getAttribute("tipo").equals("esterno"))
                .map(e -> clean(e.getTextContent()).toLowerCase(Locale.ROOT)).collect(Collectors.toSet());
            State said = NEWS.getOrDefault(kind, State.NO_RECEIPT);
            outcome.replaceAll((recipient, known) -> {
                // Acceptance and non-acceptance are about all recipients; the others name theirs in consegna.
                boolean concerned = about.isEmpty() ? kind.endsWith("accettazione") : about.equalsIgnoreCase(recipient);
                if (!concerned || said.compareTo(known.state) <= 0) {
                    return known;
                }
                if (said.compareTo(State.OVERDUE) > 0 || external.contains(recipient.toLowerCase(Locale.ROOT))) {
                    open.remove(recipient);  // an external recipient is no PEC: no more receipts
                }
                return new Outcome(said, detail);
            });
        }
    }

    /**
     * The root of the signed daticert.xml. Only a child of the signed multipart/mixed is the provider's: one inside
     * message/rfc822 belongs to another message. Text, HTML and Subject are for people: never parse them.
     */
    static Element certificationData(MimeMessage message) throws Exception {
        MimeMultipart parts = children(children(message, "multipart/signed").getBodyPart(0), "multipart/mixed");
        for (int i = 0; i < parts.getCount(); i++) {
            Part part = parts.getBodyPart(i);
            if ("daticert.xml".equalsIgnoreCase(part.getFileName())) {
                var factory = DocumentBuilderFactory.newInstance();  // no DTD, so no entities: nothing is fetched or grows
                factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
                var builder = factory.newDocumentBuilder();
                builder.setErrorHandler(null);  // errors are thrown, not printed
                return builder.parse(part.getInputStream()).getDocumentElement();
            }
        }
        throw new MessagingException("no daticert.xml");
    }

    static MimeMultipart children(Part part, String type) throws Exception {
        if (part.isMimeType(type) && part.getContent() instanceof MimeMultipart multipart) {
            return multipart;
        }
        throw new MessagingException(part.getContentType() + " instead of " + type);
    }

    /** Writes the octets as they came, signature included: they are the evidence. */
    static void keep(Message message, Path file) throws Exception {
        var octets = new ByteArrayOutputStream();
        message.writeTo(octets);
        Files.write(file, octets.toByteArray());
    }

    static Stream<Element> elements(Element in, String name) {
        var nodes = in.getElementsByTagName(name);
        return IntStream.range(0, nodes.getLength()).mapToObj(i -> (Element) nodes.item(i));
    }

    static String text(Element data, String name) {
        return clean(elements(data, name).map(Element::getTextContent).findFirst().orElse(""));
    }

    static String clean(String text) {
        return text == null ? "" : text.strip().replaceAll("\\s+", " ");
    }

    static String bare(String messageID) {
        return messageID.replaceAll("[<>\\s]", "");
    }

    /** TLS that trusts the authority in ca_file alone: Jakarta Mail has to be told to compare names, and not to fall back. */
    static Session session(Path authority) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream pem = Files.newInputStream(authority)) {
            trusted.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, managers.getTrustManagers(), null);
        var properties = new Properties();
        for (String protocol : List.of("smtps", "imaps")) {
            properties.put("mail." + protocol + ".ssl.socketFactory", tls.getSocketFactory());
            properties.put("mail." + protocol + ".ssl.checkserveridentity", "true");
            properties.put("mail." + protocol + ".socketFactory.fallback", "false");
        }
        properties.put("mail.imaps.peek", "true");  // reading leaves \Seen alone
        return Session.getInstance(properties);
    }

    /** After a 4xx or a lost connection send the same octets again: the provider knows them by their Message-ID. */
    static void submit(Session session, String server, Account from, List<String> recipients, String msgid) throws Exception {
        var message = new MimeMessage(session);
        message.setFrom(from.address());
        message.setRecipients(Message.RecipientType.TO, String.join(",", recipients));  // or in Cc; Bcc is forbidden
        message.setSubject("Prova");
        message.setSentDate(new Date());
        message.setText("Buongiorno.\r\n");
        message.saveChanges();
        message.setHeader("Message-ID", msgid);  // saveChanges() has set one, and Transport.send() would again
        try (Transport transport = session.getTransport("smtps")) {
            transport.connect(host(server), port(server), from.address(), from.password());
            transport.sendMessage(message, InternetAddress.parse(String.join(",", recipients)));  // to all or to none
        }
    }

    /** The server's words, which may be below the library's own. */
    static String refusal(MessagingException e) {
        for (Exception x = e; x != null; x = x instanceof MessagingException m ? m.getNextException() : null) {
            String text = clean(x.getMessage());
            if (text.matches("[45]\\d\\d .*")) {
                return (text.startsWith("5") ? "refused: " : "try again later: ") + text;
            }
        }
        return e.toString();
    }

    /** Jakarta Mail finds names in a certificate, but no addresses. */
    static String host(String server) {
        return server.substring(0, server.lastIndexOf(':')).replace("127.0.0.1", "localhost");
    }

    static int port(String server) {
        return Integer.parseInt(server.substring(server.lastIndexOf(':') + 1));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 3) {
            System.err.println("usage: Receipts SANDBOX.JSON SECONDS RECIPIENT...");
            System.exit(2);
        }
        Path file = Path.of(arguments[0]).toAbsolutePath();
        List<String> recipients = List.of(arguments).subList(2, arguments.length);
        Sandbox sandbox = new Gson().fromJson(Files.readString(file), Sandbox.class);
        Provider provider = sandbox.providers().get(0);
        Account account = provider.mailboxes().get(0);
        Session session = session(file.resolveSibling(sandbox.ca_file()));
        var sent = new Sent("<" + UUID.randomUUID() + "@programma.test>", recipients);  // store the id before sending
        try (Store store = session.getStore("imaps")) {
            store.connect(host(provider.imaps()), port(provider.imaps()), account.address(), account.password());
            Folder inbox = store.getFolder("INBOX");
            inbox.open(Folder.READ_ONLY);
            UIDFolder uids = (UIDFolder) inbox;  // a place in UIDs, not \Seen: others may read this mailbox too
            long next = uids.getUIDNext();
            try {
                submit(session, provider.submissions(), account, recipients, sent.msgid);
            } catch (MessagingException e) {
                System.err.println(refusal(e));
                System.exit(1);
            }
            long patience = (long) (Double.parseDouble(arguments[1]) * 1e9);
            for (long last = System.nanoTime(); !sent.open.isEmpty() && System.nanoTime() - last < patience; ) {
                Thread.sleep(500);  // a program that runs for long uses IDLE
                inbox.getMessageCount();  // says NOOP
                for (Message message : uids.getMessagesByUID(next, UIDFolder.LASTUID)) {
                    long uid = uids.getUID(message);
                    if (uid >= next) {  // n:* always has the last message
                        sent.hear((MimeMessage) message, Path.of(uids.getUIDValidity() + "-" + uid + ".eml"));
                        next = uid + 1;
                        last = System.nanoTime();
                    }
                }
            }
        }
        sent.outcome.forEach((recipient, outcome) -> System.out.println(recipient + ": " + outcome));
    }
}
