// Package mailfile finds the messages in what people keep: single files, folders, Maildirs, mbox files, zip archives,
// and archives in archives. It tells where each message is and gives its octets; it judges nothing.
//
// # What is a message
//
// A file is taken by what it holds, not by its name: an mbox, a message ([LooksLikeMessage]), an archive. Names decide
// three things only. A file named .eml, and one in cur or new of a Maildir on the disk, is a message unless it is plainly
// something else: a verifier shall speak of a damaged receipt, not overlook it. In a folder or an archive only a file named
// .zip is opened as an archive, so that office documents stay closed; a path that is named is opened whatever its name.
// And forms that hold mail without its octets, like Outlook's .msg, or that are not opened here, are told with what to do.
//
// In folders and archives all else is passed over, and counted by [Options.PassedOver]: hidden files, folders that are
// hidden (but not the subfolders of a Maildir++, whose names begin with a dot) and tmp of a Maildir. Symbolic links to
// folders are told and not followed.
//
// # What it guarantees
//
// The order is stable: paths as given, a folder's entries by name, an archive's as they lie in it. The octets of a message
// are those of the file, from the first one on: no line end, no mark at the start, no empty line is changed. Only an mbox
// has two readings ([Message.Open] and [Message.OpenRaw]), for its writers changed octets that were signed.
//
// Memory is bounded: messages stream, an mbox is split in one pass that remembers a few numbers, and an archive whose list
// of members is longer than 32 MiB is refused. What archives unpack to is bounded ([Options]), and so is their depth: an
// archive in an archive in a named one is the last. No path on disk is ever made from a name inside an archive; names are
// for display, with control characters and invalid UTF-8 made visible (attacks.md 21).
//
// # On disk, and failure
//
// Nothing is written but archives and mboxes that are themselves inside an archive: these are unpacked into a folder of
// their own below the system's temporary folder, which is removed when [Walk] returns. What concerns one file is told by
// [Options.Problem] and the walk goes on; an error of Walk means that a path given cannot be read, or that somebody said
// stop. Files that change during the walk give octets of both states: a mail program that writes should be closed.
package mailfile
