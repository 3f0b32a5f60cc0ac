package faults

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// traced are the system calls that change files or make them durable, and those that would do so behind our back.
const traced = "write,pwrite64,writev,pwritev,pwritev2,sendfile,splice,copy_file_range,lseek,mmap," +
	"fsync,fdatasync,open,creat,openat,openat2,truncate,ftruncate,fallocate," +
	"rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mkdir,mkdirat"

// straceArgs run a program with its trace in a file: whole buffers and all texts in hexadecimal, what descriptors mean.
func straceArgs(file string, program ...string) []string {
	return append([]string{"-f", "-ttt", "-yy", "--seccomp-bpf", "-e", "trace=" + traced, "-e", "signal=none",
		"-xx", "-s", "67108864", "-a", "1", "-o", file}, program...)
}

// place is a moment: a line of the trace. strace writes one when a call is about to begin, one when it has returned (or one
// for both, if no other thread did anything between), and lets no thread go on before its line is there. So what one call
// caused another to do is in order.
type place int

const never = place(1 << 62)

// call is one system call.
type call struct {
	begun, done place // done is never if it had not returned when the process ended
	at          time.Time
	name        string
	args        []string // as strace writes them
	result      string
}

func (c call) String() string {
	return fmt.Sprintf("line %d: %s(%s) = %s", c.begun+1, c.name, clip(strings.Join(c.args, ", ")), c.result)
}

// readTrace calls each for every call, in the order of their returns; those that did not return come last.
func readTrace(file string, each func(call) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	under := map[string]call{} // by thread: its arguments are still one text
	r := bufio.NewReaderSize(f, 1<<20)
	for n := place(0); ; n++ {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		c, complete, err := parseLine(strings.TrimSuffix(line, "\n"), n, under)
		if err == nil && complete {
			err = each(c)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, n+1, err)
		}
	}
	for _, c := range under {
		c.args = splitArgs(c.args[0])
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}

// parseLine reads `THREAD SECONDS name(args) = result`, or a half of it.
func parseLine(line string, n place, under map[string]call) (c call, complete bool, err error) {
	thread, rest, _ := strings.Cut(line, " ")
	stamp, text, ok := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if !ok {
		return c, false, fmt.Errorf("not a line of strace: %.200s", line)
	}
	if strings.HasPrefix(text, "+++") || strings.HasPrefix(text, "---") {
		return c, false, nil
	}
	if resumed, ok := strings.CutPrefix(text, "<... "); ok {
		c, ok = under[thread]
		_, tail, found := strings.Cut(resumed, " resumed>")
		if !ok || !found {
			return c, false, fmt.Errorf("a call resumes that was not begun: %.200s", line)
		}
		delete(under, thread)
		return finish(c, c.args[0]+tail, n)
	}
	micros, err := strconv.ParseInt(strings.Replace(stamp, ".", "", 1), 10, 64)
	if err != nil {
		return c, false, fmt.Errorf("a time: %w", err)
	}
	c = call{begun: n, done: never, at: time.UnixMicro(micros)}
	c.name, text, _ = strings.Cut(text, "(")
	if args, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
		c.args = []string{args}
		under[thread] = c
		return c, false, nil
	}
	return finish(c, text, n)
}

// finish reads `args) = result`.
func finish(c call, text string, n place) (call, bool, error) {
	end := strings.LastIndex(text, ") = ")
	if end < 0 {
		return c, false, fmt.Errorf("no result: %.200s", text)
	}
	c.args, c.result = splitArgs(text[:end]), text[end+len(") = "):]
	if c.result != "?" {
		c.done = n
	}
	return c, true, nil
}

// splitArgs may cut at every comma: texts are hexadecimal.
func splitArgs(s string) []string {
	return strings.Split(strings.TrimSuffix(s, ","), ", ")
}

// returned is the number that the call returned, -1 if it failed or did not return.
func (c call) returned() int64 {
	digits, _, _ := strings.Cut(c.result, "<")
	digits, _, _ = strings.Cut(digits, " ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || c.done == never {
		return -1
	}
	return n
}

// flag tells whether one of the arguments has the flag.
func (c call) flag(name string) bool {
	return slices.ContainsFunc(c.args, func(a string) bool { return slices.Contains(strings.Split(a, "|"), name) })
}

// number is an argument that is one.
func (c call) number(i int) (int64, error) { return strconv.ParseInt(c.args[i], 10, 64) }

// octets is an argument that is a text.
func (c call) octets(i int) ([]byte, error) {
	s, ok := strings.CutSuffix(strings.TrimPrefix(c.args[i], `"`), `"`)
	if !ok {
		return nil, fmt.Errorf("argument %d is no whole text: %s", i, c)
	}
	return unhex(s)
}

func unhex(s string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(s, `\x`, "")) }

// descriptor splits `7</path>`, a descriptor and what it stands for: a path, or a text like TCP:[local->remote].
func descriptor(s string) (fd, what string) {
	fd, what, _ = strings.Cut(s, "<")
	what = strings.TrimSuffix(what, ">")
	if octets, err := unhex(what); err == nil {
		what = string(octets)
	}
	return fd, what
}

// paths are the arguments that name a file, each joined to the directory that the argument before it stands for.
func (c call) paths() ([]string, error) {
	var all []string
	for i, a := range c.args {
		if !strings.HasPrefix(a, `"`) {
			continue
		}
		octets, err := c.octets(i)
		if err != nil {
			return nil, err
		}
		path := string(octets)
		if !filepath.IsAbs(path) {
			if i == 0 {
				return nil, fmt.Errorf("a relative path: %s", c)
			}
			_, dir := descriptor(c.args[i-1])
			path = filepath.Join(dir, path)
		}
		all = append(all, path)
	}
	return all, nil
}

// clip keeps the beginning and the end of a text that may be long.
func clip(s string) string {
	if len(s) > 3000 {
		return s[:500] + "[...]" + s[len(s)-2500:]
	}
	return s
}
