package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

const maxPatterns = 100

// List implements LIST with its extensions (RFC 5258, RFC 5819, RFC 6154), and LSUB.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	return s.do("LIST", func() error {
		if len(patterns) == 0 {
			return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
		}
		if len(patterns) > maxPatterns {
			return no(imap.ResponseCodeLimit, "There are too many patterns")
		}
		folders, err := s.store.Folders(s.ctx, s.mailbox.ID)
		if err != nil {
			return err
		}
		for _, f := range folders {
			if err := s.list(w, listing{folders, f, ref, patterns, options}); err != nil {
				return err
			}
		}
		return nil
	})
}

// listing asks whether and how one folder is listed.
type listing struct {
	folders  []store.Folder
	folder   store.Folder
	ref      string
	patterns []string
	options  *imap.ListOptions
}

func (s *session) list(w *imapserver.ListWriter, l listing) error {
	if !l.matches(l.folder.Name) {
		return nil
	}
	below := l.subscribedBelow()
	selected := l.selected()
	if !selected && !below {
		return nil
	}
	data := &imap.ListData{Attrs: attributes(l.folders, l.folder, l.options), Delim: delimiter, Mailbox: l.folder.Name}
	if below && l.options.SelectRecursiveMatch {
		data.ChildInfo = &imap.ListDataChildInfo{Subscribed: true}
	} else if !selected {
		data.Attrs = []imap.MailboxAttr{imap.MailboxAttrNoSelect} // LSUB (RFC 3501 6.3.9)
	}
	if l.options.ReturnStatus != nil {
		var err error
		if data.Status, err = s.status(l.folder, l.options.ReturnStatus); err != nil {
			return err
		}
	}
	return w.WriteList(data)
}

func (l listing) matches(name string) bool {
	return slices.ContainsFunc(l.patterns, func(p string) bool { return matches(l.ref+p, name) })
}

func (l listing) selected() bool {
	return (!l.options.SelectSubscribed || l.folder.Subscribed) && (!l.options.SelectSpecialUse || l.folder.Special != "")
}

// subscribedBelow tells whether the folder stands for subscribed ones below it that the patterns do not name: with
// RECURSIVEMATCH, and in LSUB, which the library asks for by the same option alone.
func (l listing) subscribedBelow() bool {
	if !l.options.SelectSubscribed {
		return false
	}
	return slices.ContainsFunc(l.folders, func(f store.Folder) bool {
		return f.Subscribed && strings.HasPrefix(f.Name, l.folder.Name+separator) && !l.matches(f.Name)
	})
}

func attributes(folders []store.Folder, f store.Folder, options *imap.ListOptions) []imap.MailboxAttr {
	attrs := []imap.MailboxAttr{imap.MailboxAttrHasNoChildren}
	if hasChildren(folders, f.Name) {
		attrs[0] = imap.MailboxAttrHasChildren
	}
	if f.Subscribed && (options.ReturnSubscribed || options.SelectSubscribed) {
		attrs = append(attrs, imap.MailboxAttrSubscribed)
	}
	if f.Special != "" {
		attrs = append(attrs, imap.MailboxAttr(f.Special))
	}
	return attrs
}
