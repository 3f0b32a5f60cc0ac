package smtpd

import "errors"

// ErrHangUp is what Receive returns when nobody knows whether the message was taken: the connection is closed without a
// reply, so that the client tries again (design.md 3, unknown outcomes).
var ErrHangUp = errors.New("the outcome is unknown: nothing may be said")
