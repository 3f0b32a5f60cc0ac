// Package authority is AgID's part for closed networks and the sandbox: a certification authority for providers and their channels, and
// the publisher of the signed directory (RFC 6109 4.5, 5.5, 5.6). In the public PEC network AgID does this itself.
//
// What it guarantees. Provider certificates have exactly the profile of RFC 6109 5.5 (directory.CheckProfile passes) and everything it signs uses RSA
// and SHA-256. The directory that it publishes can be read back as it was given, is signed anew at most once an hour or when it
// changes, and goes only to clients whose certificate the same authority issued.
//
// On disk. Nothing: keys and certificates go out and come in as PEM, and the caller keeps them. Nothing reads a clock on its own: instants and
// clocks are arguments.
//
// On failure. A request that would break the profile is an error and issues nothing. If the directory cannot be signed, the answer is
// 503 and the providers work on with their last good copy.
package authority
