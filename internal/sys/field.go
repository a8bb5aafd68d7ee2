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

// Value returns the field at the end of a path of names, of a type that nothing else can
// name: pointers on the way are followed. What it holds may be used like that of an exported
// field. It is the zero Value where there is no such field.
func Value(of any, path ...string) reflect.Value {
	v := reflect.ValueOf(of)
	for _, name := range path {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		if v = v.FieldByName(name); !v.IsValid() || !v.CanAddr() {
			return reflect.Value{}
		}
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	return v
}
