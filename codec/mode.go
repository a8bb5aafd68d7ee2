package codec

import (
	"fmt"
	"os"
	"strconv"
)

// ParseFileMode reads permissions in octal, as 0660.
func ParseFileMode(text string) (os.FileMode, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q are not permissions in octal, such as 0660", text)
	}
	return os.FileMode(n), nil
}

// FormatFileMode is the inverse of ParseFileMode.
func FormatFileMode(m os.FileMode) string { return fmt.Sprintf("%04o", uint32(m)) }
