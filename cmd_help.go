package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// exitStatus is a way for this program to end.
type exitStatus struct {
	code    int
	meaning string
}

func exitStatuses() []exitStatus {
	return []exitStatus{
		{0, "done"},
		{exitFailed, "it failed; standard error says why"},
		{exitUsage, "the command line is wrong; nothing was done"},
		{exitUnknown, "nobody knows whether a write took effect (disk full, failing disk): start it again, recovery decides"},
		{exitInvalid, "verify: a message that says to be certified mail is invalid"},
		{exitUnproven, "verify: none is invalid, but not all that was found is proven to be valid"},
	}
}

// printHelp is kong's help with the exit statuses below it.
func printHelp(o kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("\nExit status:\n")
	for _, s := range exitStatuses() {
		fmt.Fprintf(&b, "  %d  %s\n", s.code, s.meaning)
	}
	_, err := fmt.Fprint(ctx.Stdout, b.String())
	return err
}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The subcommand, such as: mailbox add."`
}

// Run prints the help that --help prints.
func (c helpCmd) Run(k *kong.Kong) error {
	_, err := k.Parse(append(c.Command, "--help"))
	return err
}

// What follows is shown by --help and in the manual page below the line that main.go has. Lines that begin with a tab are
// examples.

func (serveCmd) Help() string {
	return `It serves SMTP, submission and IMAP where the configuration says, delivers and relays, until SIGTERM or Ctrl-C: then it takes no new connections and gives ten seconds to the transactions under way. The log goes to standard error. What is wrong in the configuration is said with its line.

	ceralacca serve -c /etc/ceralacca/ceralacca.toml`
}

func (sandboxCmd) Help() string {
	return `Once everything answers it prints ports, mailboxes and a first step to paste, and writes sandbox.json into its directory for programs; it runs until SIGTERM or Ctrl-C. Keys, messages and the clock's offset are still there at the next start. Nothing in it has legal value.

	ceralacca sandbox
	ceralacca sandbox --dir /tmp/pec --base-port 0`
}

func (configExampleCmd) Help() string {
	return `What it prints is a complete configuration; the files that it names have to be put beside it.

	ceralacca config example > ceralacca.toml`
}

func (verifyCmd) Help() string {
	return `It reads envelopes and receipts of any provider as mail programs keep them, and changes nothing. For each message it says who signed it, when, about what, and whether that is valid, invalid or unknown, and why; for each message that was sent, what became of it for every recipient, what is missing, and what does not fit. Put the message that was sent beside its receipts to have it compared. The docs (verify.md) say what a verdict means and where the authorities' certificates are to be had. Unknown never means valid.

	ceralacca verify --anchor agid-ca1.pem ricevuta.eml
	ceralacca verify --anchor agid-ca1.pem --directory igpec.ldif.p7m --directory-signer agid-igpec.pem --html rapporto.html cartella/`
}

func (mailboxAddCmd) Help() string {
	return `The address belongs to one of the provider's domains; the password is one line of 8 to 1000 octets, and is never an argument, for others see a list of processes. It works while the provider runs, and while it does not.

	echo 'a good password' | ceralacca mailbox add -c ceralacca.toml mario.rossi@pec.example`
}

func (mailboxPasswordCmd) Help() string {
	return `The old password ends at once; who is logged in stays so.

	echo 'a better password' | ceralacca mailbox password -c ceralacca.toml mario.rossi@pec.example`
}

func (mailboxListCmd) Help() string {
	return `A service mailbox is the provider's own: it takes what other providers took in charge.`
}

func (mailboxDisableCmd) Help() string {
	return `Senders get a non-delivery receipt at once. 'mailbox enable' opens it again.`
}

func (domainListCmd) Help() string {
	return `A domain that the signed directory of providers does not list yet takes no mail: senders get a temporary refusal (451).`
}

func (heldListCmd) Help() string {
	return `What is held looked like certified mail, failed a check, and was answered by nothing: somebody has to look at it.`
}

func (heldShowCmd) Help() string {
	return `The message comes as it was received, and strangers wrote it: do not send it to a terminal unread.

	ceralacca held show -c ceralacca.toml 0123456789abcdef0123456789abcdef > held.eml`
}

func (authorityIssueCmd) Help() string {
	return `It writes ca.pem and ca.key unless --ca names an authority, then signing, client and, with --hostname, server, each as .pem and .key. No file is overwritten.

	ceralacca authority issue --dir esempio --provider 'Esempio PEC S.p.A.' --address posta-certificata@pec.example --hostname mx.pec.example`
}

func (migrateCmd) Help() string {
	return `It copies every row and every octet to the new place, compares both, and then closes the old place for good: two places that both accept mail would certify everything twice. The provider has to be stopped, all its processes. After an error, a crash or an interrupt the same command goes on where it was; until it says that the data were moved, the old place is the one that counts. A password is better in PGPASSWORD or ~/.pgpass than in the URL, which other users of the machine may see.

	ceralacca migrate -c ceralacca.toml --to 'postgres://pec@db.example/pec'
	ceralacca migrate -c ceralacca.toml --to new-data`
}

func (checkCmd) Help() string {
	return `It reads a snapshot of the data and lists each violation on a line of standard output; with one or more the exit status is 1.

	ceralacca check -c ceralacca.toml`
}

func (benchCmd) Help() string {
	return `It runs this very program as a child process in a temporary directory; all the measures together take some minutes.

	ceralacca bench --json > bench.json
	ceralacca bench --engine postgres --database postgres://USER@HOST/NAME --database-pid N`
}

func (completionCmd) Help() string {
	return `For bash, in ~/.bashrc; for zsh, as a file in a directory of $fpath; for fish, as a file that it loads:

	source <(ceralacca completion bash)
	ceralacca completion zsh > ~/.zsh/completions/_ceralacca
	ceralacca completion fish > ~/.config/fish/completions/ceralacca.fish`
}

func (manCmd) Help() string {
	return `There are two: ceralacca(1), the subcommands, and ceralacca.toml(5), the configuration. With --dir they go into man1 and man5 below that directory.

	ceralacca man | man -l -
	ceralacca man --dir /usr/local/share/man`
}
