// Package codec turns values into the text of the address language and back: flags,
// numbers, sizes, durations, permissions.
//
// A [Codec] is one such pair of functions with the word that stands for the value in
// help. Whoever declares an option gives it one: [Flag], [Integer], [Size], [Duration],
// [Text], one of these within bounds by [AtLeast] and [Between], or its own.
// [ParseSize], [FormatSize] and [ParseDuration] read and write the same notations
// elsewhere, as in flags. The package imports nothing of this module.
package codec
