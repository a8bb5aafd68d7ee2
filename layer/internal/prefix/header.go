package prefix

import (
	"errors"
	"strings"
)

// IsToken reports whether text is a token (RFC 9110, section 5.6.2), such as the name of a
// header.
func IsToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// ParseHeader reads a line of a header, such as "X-Reason: test". Its error repeats nothing
// of the text, which may hold a token.
func ParseHeader(text string) (string, error) {
	name, value, ok := strings.Cut(text, ":")
	if !ok || !IsToken(name) || strings.ContainsAny(value, "\r\n\x00") {
		return "", errors.New("it is not a header, such as X-Reason: test")
	}
	return name + ": " + strings.TrimSpace(value), nil
}
