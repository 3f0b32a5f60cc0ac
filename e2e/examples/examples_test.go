package examples

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// examples are the commands that run them. Python does not keep back what it prints.
func examples(t *testing.T) map[string][]string {
	absolute := func(name string) string {
		path, err := filepath.Abs(filepath.Join(sources, name))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	return map[string][]string{
		"Python": {"python3", "-u", absolute("receipts.py")},
		"PHP":    {"php", absolute("receipts.php")},
		"Java":   {"java", "Receipts"},
		"Go":     {"receipts"},
	}
}

// TestExamples sends with every example at once: to a mailbox, to one that is not there, and to ordinary mail; then what
// is refused; then, with nobody but Alfa left, hears receipts of the test's making.
func TestExamples(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	sandbox, c := startSandbox(t, dir)
	each := func(test func(t *testing.T, dir string, command []string)) func(t *testing.T) {
		return func(t *testing.T) {
			mailbox := 0
			for name, command := range examples(t) {
				mine := mailbox
				mailbox++
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, dir, append(slices.Clone(command), writeContract(t, dir, c, mine)))
				})
			}
		}
	}
	t.Run("outcomes", each(tellsEveryOutcome))
	t.Run("refused", each(printsTheRefusal))
	sandbox.stop(t)
	alfa := startAlfa(t, dir, c)
	t.Run("later", each(hearsWhatComesLater))
	alfa.stop(t)
}

// evidence is the name of a file with a receipt.
var evidence = regexp.MustCompile(`\d+-\d+\.eml`)

func tellsEveryOutcome(t *testing.T, dir string, command []string) {
	cmd := exec.Command(command[0], append(command[1:], "20",
		"luigi.verdi@pec.beta.test", "inesistente@pec.beta.test", "carla.neri@posta.test")...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(evidence.ReplaceAllString(string(out), "FILE"), "\n")
	if len(lines) > 3 {
		slices.Sort(lines[1:3]) // the two come in any order
	}
	if want := []string{
		"accettazione nessuno -> FILE",
		"avvenuta-consegna luigi.verdi@pec.beta.test nessuno -> FILE",
		"errore-consegna inesistente@pec.beta.test no-dest 5.1.1 - Beta PEC S.p.A. - indirizzo non valido -> FILE",
		"luigi.verdi@pec.beta.test: delivered",
		"inesistente@pec.beta.test: failed: 5.1.1 - Beta PEC S.p.A. - indirizzo non valido",
		"carla.neri@posta.test: accepted",
		"",
	}; !slices.Equal(lines, want) {
		t.Errorf("printed\n%s\nwant\n%s", out, strings.Join(want, "\n"))
	}
	for _, name := range evidence.FindAllString(string(out), -1) {
		verify := exec.Command("openssl", "cms", "-verify", "-in", filepath.Join(cmd.Dir, name), "-CAfile", filepath.Join(dir, "ca.pem"))
		if said, err := verify.CombinedOutput(); err != nil {
			t.Errorf("%s is no evidence: %v\n%s", name, err, said)
		}
	}
}

func printsTheRefusal(t *testing.T, _ string, command []string) {
	tooLong := strings.Repeat("a", 65) + "@pec.beta.test"
	cmd := exec.Command(command[0], append(command[1:], "20", "luigi.verdi@pec.beta.test", tooLong)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	const want = "refused: 553 5.1.3 indirizzo del destinatario non valido / invalid recipient address\n"
	if status := cmd.ProcessState.ExitCode(); status != 1 || string(out) != want {
		t.Errorf("%v, printed %q, want %q", err, out, want)
	}
}

// hearsWhatComesLater puts receipts into the mailbox while the example waits: late ones, and attacks.md 15, 23.
func hearsWhatComesLater(t *testing.T, dir string, command []string) {
	recipients := []string{"luigi.verdi@pec.beta.test", "segreteria@studio.beta.test", "giulia.russo@pec.beta.test", "inesistente@pec.beta.test"}
	cmd := exec.Command(command[0], append(append(command[1:], "3"), recipients...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	first, err := in.ReadString('\n')
	if err == nil {
		put(t, command[len(command)-1], laterReceipts(t, filepath.Join(cmd.Dir, evidence.FindString(first))))
	}
	rest, _ := io.ReadAll(in) // Wait tells what went wrong
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, rest, complaints.String())
	}
	got := unreadable.ReplaceAllString(evidence.ReplaceAllString(string(rest), "FILE"), "unreadable receipt -> FILE")
	const want = `preavviso-errore-consegna luigi.verdi@pec.beta.test altro dodici ore -> FILE
avvenuta-consegna LUIGI.VERDI@pec.beta.test nessuno -> FILE
preavviso-errore-consegna luigi.verdi@pec.beta.test altro ventiquattro ore -> FILE
errore-consegna segreteria@studio.beta.test altro 5.2.2 - casella piena -> FILE
preavviso-errore-consegna giulia.russo@pec.beta.test altro dodici ore -> FILE
novita inesistente@pec.beta.test nessuno -> FILE
unreadable receipt -> FILE
unreadable receipt -> FILE
unreadable receipt -> FILE
unreadable receipt -> FILE
luigi.verdi@pec.beta.test: delivered
segreteria@studio.beta.test: failed: 5.2.2 - casella piena
giulia.russo@pec.beta.test: overdue
inesistente@pec.beta.test: accepted
`
	if got != want || complaints.Len() > 0 {
		t.Errorf("printed\n%s%s\nwant\n%s", got, complaints.String(), want)
	}
}

var unreadable = regexp.MustCompile(`unreadable receipt: .+ -> FILE`)
