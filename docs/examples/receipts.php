<?php
// Sends a PEC and tells, for each recipient, what became of it.
//
//     php receipts.php SANDBOX.JSON SECONDS RECIPIENT...
//
// Waits until every recipient has an outcome, or until nothing new has come for SECONDS. Writes the receipts into the
// current directory. Needs PHP 8.1 or later; on Debian php-cli php-curl php-xml. mailparse is not
// used: it crashes on some messages inside messages.
declare(strict_types=1);

// What a receipt says about its recipient. Further down wins: after an overdue notice a delivery still counts.
const NEWS = ['accettazione' => 'accepted', 'preavviso-errore-consegna' => 'overdue', 'non-accettazione' => 'failed',
    'errore-consegna' => 'failed', 'avvenuta-consegna' => 'delivered'];
const RANK = ['no receipt', 'accepted', 'overdue', 'failed', 'delivered'];

/** After a 4xx or a lost connection send the same octets again: the provider knows them by their Message-ID. */
function submit(CurlHandle $curl, string $sender, array $recipients, string $octets): void
{
    $body = fopen('php://memory', 'r+');
    fwrite($body, $octets);
    rewind($body);
    $refusal = '';
    curl_setopt_array($curl, [CURLOPT_MAIL_FROM => $sender, CURLOPT_MAIL_RCPT => $recipients,  // all of them or none
        CURLOPT_UPLOAD => true, CURLOPT_INFILE => $body, CURLOPT_HEADERFUNCTION => function ($curl, $line) use (&$refusal) {
            $refusal .= preg_match('/^[45]/', $line) ? $line : '';
            return strlen($line);
        }]);
    if (curl_exec($curl) === false) {
        $word = str_starts_with($refusal, '5') ? 'refused: ' : 'try again later: ';
        fwrite(STDERR, $word . (trim($refusal) ?: curl_error($curl)) . "\n");
        exit(1);
    }
}

/** The header fields, by their names in lower case, and the body of a message or part. */
function fields(string $raw): array
{
    [$head, $body] = preg_split('/\r?\n\r?\n/', "\n" . $raw, 2) + ['', ''];
    preg_match_all('/^([!-9;-~]+)[ \t]*:(.*)$/m', preg_replace('/\r?\n[ \t]+/', ' ', $head), $found);
    return [array_combine(array_map(strtolower(...), $found[1]), array_map(trim(...), $found[2])), $body];
}

/** The direct children of a multipart; what is inside a child stays there. */
function children(string $raw, string $type): array
{
    [$header, $body] = fields($raw);
    $given = $header['content-type'] ?? '';
    if (stripos($given, $type) !== 0 || !preg_match('/;\s*boundary=(?|"([^"]+)"|([^\s;]+))/i', $given, $boundary)) {
        throw new UnexpectedValueException("not $type");
    }
    $line = '/^--' . preg_quote($boundary[1], '/');
    [$body] = preg_split($line . '--[ \t]*\r?$/m', $body, 2);
    return array_slice(preg_split($line . '[ \t]*\r?\n/m', $body), 1);
}

/**
 * The signed daticert.xml. Only a child of the signed multipart/mixed is the provider's: one inside message/rfc822
 * belongs to another message. Text, HTML and Subject are for people: never parse them.
 */
function certificationData(string $raw): DOMXPath
{
    $signed = children($raw, 'multipart/signed');
    foreach (children($signed[0] ?? '', 'multipart/mixed') as $part) {
        [$header, $body] = fields($part);
        $names = ($header['content-type'] ?? '') . ';' . ($header['content-disposition'] ?? '');
        if (preg_match('/;\s*(?:file)?name="?daticert\.xml"?\s*(?:;|$)/i', $names)) {
            return parseXML(match (strtolower($header['content-transfer-encoding'] ?? '')) {
                'base64' => base64_decode($body),
                'quoted-printable' => quoted_printable_decode($body),
                default => $body,
            });
        }
    }
    throw new UnexpectedValueException('no daticert.xml');
}

function parseXML(string $octets): DOMXPath
{
    libxml_use_internal_errors(true);
    $document = new DOMDocument();
    if (!$document->loadXML(trim($octets, "\u{FEFF} \r\n\t") ?: '-', LIBXML_NONET)) {  // no LIBXML_NOENT or DTDLOAD
        throw new UnexpectedValueException('daticert.xml is not XML');
    }
    if ($document->doctype !== null) {  // no DTD, so no entities: nothing is fetched, nothing grows
        throw new UnexpectedValueException('daticert.xml has a DTD');
    }
    return new DOMXPath($document);
}

/** A message of ours and what is known of it. A long-lived program keeps this in its database. */
final class Sent
{
    public array $outcome;    // recipient => [state, detail]
    public array $open;       // recipient => true
    private array $ids = [];  // the provider's, from the acceptance

    public function __construct(public readonly string $msgid, array $recipients)
    {
        $this->outcome = array_fill_keys($recipients, ['no receipt', '']);
        $this->open = array_fill_keys($recipients, true);
    }

    /** Takes a message of the mailbox. A receipt that cannot be read is for a person, never a reason to stop. */
    public function hear(string $raw, string $name): void
    {
        [$header] = fields($raw);
        if (!isset($header['x-ricevuta'])) {  // outside the signature: a hint that parsing is worth it, and no more
            return;
        }
        try {
            $data = certificationData($raw);
        } catch (UnexpectedValueException $error) {
            file_put_contents($name, $raw);
            echo "unreadable receipt: {$error->getMessage()} -> $name\n";
            return;
        }
        $text = fn (string $path) => $data->evaluate("normalize-space(/postacert/$path)");
        [$id, $msgid] = [$text('dati/identificativo'), $text('dati/msgid') ?: $header['x-riferimento-message-id'] ?? ''];
        if (trim($msgid, "<> \r\n\t") !== trim($this->msgid, '<>') && !in_array($id, $this->ids, true)) {
            return;
        }
        file_put_contents($name, $raw);  // the evidence is these very octets, signature included
        [$kind, $about, $detail] = [$text('@tipo'), $text('dati/consegna'), $text('dati/errore-esteso')];
        if ($kind === 'accettazione') {
            $this->ids[] = $id;  // the second key of what follows
        }
        echo implode(' ', array_filter([$kind, $about, $text('@errore'), $detail, '->', $name])), "\n";
        $external = iterator_to_array($data->query("/postacert/intestazione/destinatari[@tipo='esterno']"));
        $external = array_map(fn ($address) => strtolower(trim($address->textContent)), $external);
        $news = NEWS[$kind] ?? 'no receipt';
        foreach ($this->outcome as $recipient => [$state]) {
            // Acceptance and non-acceptance are about all recipients; the others name theirs in consegna.
            $concerned = $about !== '' ? strcasecmp($about, $recipient) === 0
                : in_array($kind, ['accettazione', 'non-accettazione'], true);
            if ($concerned && array_search($news, RANK, true) > array_search($state, RANK, true)) {
                $this->outcome[$recipient] = [$news, $detail];
                if (in_array($news, ['failed', 'delivered'], true) || in_array(strtolower($recipient), $external, true)) {
                    unset($this->open[$recipient]);  // an external recipient is no PEC: no more receipts
                }
            }
        }
    }
}

function main(string $path, string $patience, string ...$recipients): void
{
    $sandbox = json_decode(file_get_contents($path), true, flags: JSON_THROW_ON_ERROR);
    $provider = $sandbox['providers'][0];
    $account = $provider['mailboxes'][0];
    $client = function (string $url) use ($sandbox, $path, $account): CurlHandle {
        $curl = curl_init($url);
        curl_setopt_array($curl, [CURLOPT_CAINFO => dirname($path) . '/' . $sandbox['ca_file'],
            CURLOPT_USERPWD => "{$account['address']}:{$account['password']}", CURLOPT_RETURNTRANSFER => true]);
        return $curl;
    };
    $inbox = "imaps://{$provider['imaps']}/INBOX";
    $curl = $client($inbox);
    $imap = function (string $url, ?string $command = null) use ($curl): string {
        curl_setopt_array($curl, [CURLOPT_URL => $url, CURLOPT_CUSTOMREQUEST => $command]);
        $answer = curl_exec($curl);
        return is_string($answer) ? $answer : throw new RuntimeException('IMAP: ' . curl_error($curl));
    };
    // A place in UIDs, not \Seen: others may read this mailbox too.
    preg_match_all('/(UIDNEXT|UIDVALIDITY) (\d+)/', $imap($inbox, 'STATUS INBOX (UIDNEXT UIDVALIDITY)'), $numbers);
    ['UIDNEXT' => $uid, 'UIDVALIDITY' => $validity] = array_combine($numbers[1], $numbers[2]);

    $sent = new Sent('<' . bin2hex(random_bytes(16)) . '@programma.test>', $recipients);  // store the id before sending
    submit($client("smtps://{$provider['submissions']}"), $account['address'], $recipients, implode("\r\n", [
        "From: {$account['address']}",  // lines end in CRLF: PEC demands it
        'To: ' . implode(",\r\n ", $recipients),  // every recipient stands here or in Cc; Bcc is forbidden
        'Subject: Prova',
        'Date: ' . date(DATE_RFC2822),
        "Message-ID: {$sent->msgid}",
        "\r\nBuongiorno.\r\n",
    ]));
    $lastNews = hrtime(true);
    while ($sent->open && hrtime(true) - $lastNews < (float) $patience * 1e9) {
        usleep(500_000);  // a program that runs for long uses IDLE
        preg_match('/^\* SEARCH([ 0-9]*)/m', $imap($inbox, "UID SEARCH UID $uid:*"), $found);
        $numbers = array_map(intval(...), preg_split('/ /', $found[1] ?? '', flags: PREG_SPLIT_NO_EMPTY));
        sort($numbers);
        foreach ($numbers as $new) {
            if ($new >= $uid) {  // n:* always has the last message
                $sent->hear($imap("$inbox;UID=$new"), "$validity-$new.eml");
                [$uid, $lastNews] = [$new + 1, hrtime(true)];
            }
        }
    }
    foreach ($sent->outcome as $recipient => [$state, $detail]) {
        echo "$recipient: $state", $state === 'failed' ? ": $detail" : '', "\n";
    }
}

if ($argc < 4) {
    fwrite(STDERR, "usage: php receipts.php SANDBOX.JSON SECONDS RECIPIENT...\n");
    exit(2);
}
main(...array_slice($argv, 1));
