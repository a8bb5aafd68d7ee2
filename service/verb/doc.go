// Package verb has what the verbs relay, serve and echo can be told: their options,
// each declared once for the flags of a command line and the keys of a file, and what
// options and addresses mean together.
//
// A [Relay], a [Serve] and an [Echo] declare their options ([Relay.Declare] ...) in an
// [Options], which whoever reads a command line or a file sets by name and as text. Prepare
// then makes of them, and of the words that are no options, what is to run, and refuses what
// would do nothing. The package opens nothing and runs nothing.
package verb
