// Package scheme implements the words of the address language: how to get from
// tcp:host:port or tls+unix:path to a socket. It is for authors of families and layers,
// and for those who open addresses themselves; everybody else has the root package.
//
//   - A [Scheme] is the word before the colon, such as tcp. It resolves an endpoint to the names
//     that it means, or opens it by itself. Packages [Register] theirs when they are
//     imported; the kernel's domains, descriptors, files and pipes are here.
//   - A [Layer] is a word before a "+", as tls: what it needs beneath it, and the handshakes
//     of both sides, once its options were read. [RegisterLayer] adds one, and [Stack] puts
//     layers over a scheme.
//   - A [Target] is what an address asks of a scheme: endpoint, side and options.
//   - An [Origin], in a context, is for whom a connection is made, for layers that tell a
//     server so.
package scheme
