package sys

import (
	"reflect"
	"unsafe"
)

// Field returns the field of a struct that another package keeps to itself; nil where the
// struct has none of that name and type, as in another version of the package.
func Field[T, S any](of *S, name string) *T {
	f := reflect.ValueOf(of).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(unsafe.Pointer(f.UnsafeAddr()))
}
