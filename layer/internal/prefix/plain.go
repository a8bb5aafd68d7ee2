package prefix

import "strings"

// shown is how many bytes of the text of a refusal are shown.
const shown = 200

// Plain returns the beginning of the text of an HTML page, in one line.
func Plain(page string) string {
	if _, body, ok := strings.Cut(page, "<body"); ok {
		_, page, _ = strings.Cut(body, ">")
	}
	var b strings.Builder
	for page != "" {
		text, rest, tag := strings.Cut(page, "<")
		b.WriteString(text + " ")
		if !tag {
			break
		}
		_, page, _ = strings.Cut(rest, ">")
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "..."
	}
	return text
}
