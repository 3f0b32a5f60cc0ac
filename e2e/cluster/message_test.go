package cluster

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/textproto"
	"strings"

	"bufio"
)

// message is what is known of one in a mailbox.
type message struct {
	uid  int
	id   string // its Message-ID
	what string // its kind and the PEC id that it is, or is about; a delivery receipt says for whom
}

// daticert is as much of the certification data as is needed here (RFC 6109 4.4).
type daticert struct {
	Kind string `xml:"tipo,attr"`
	Data struct {
		ID          string `xml:"identificativo"`
		DeliveredTo string `xml:"consegna"`
	} `xml:"dati"`
}

// messageID is the section with the one header line that tells messages apart.
const messageID = "HEADER.FIELDS (MESSAGE-ID)"

// readInbox reads an inbox at a process: headers, and of certified messages the part that is daticert.xml.
func (c *cluster) readInbox(n *node, a account) (all []message, err error) {
	inbox, err := c.openInbox(n, a, replyPatience)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	found, err := inbox.fetch(0, messageID, "1.2.MIME", "1.2")
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		m, err := readMessage(f)
		if err != nil {
			return nil, fmt.Errorf("message %d in %s's inbox: %w", f.uid, a.Address, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func readMessage(f fetched) (message, error) {
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(f.sections[0]))).ReadMIMEHeader()
	if err != nil {
		return message{}, err
	}
	if !strings.Contains(f.sections[1], "daticert.xml") {
		return message{}, fmt.Errorf("its second part is no daticert.xml: %q", f.sections[1])
	}
	octets, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(f.sections[2], "\r\n", ""))
	if err != nil {
		return message{}, err
	}
	var d daticert
	if err := xml.Unmarshal(octets, &d); err != nil {
		return message{}, err
	}
	what := d.Kind + " " + d.Data.ID
	if d.Kind == "avvenuta-consegna" {
		what += " for " + d.Data.DeliveredTo
	}
	return message{f.uid, header.Get("Message-ID"), what}, nil
}
