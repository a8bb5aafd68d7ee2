// Command archive writes what packaging/build ships and no common tool writes the same
// twice: tar.gz and zip files of a folder, and OCI image layouts of a binary. Names are
// sorted, owners are root, and every time is that of the commit (SOURCE_DATE_EPOCH), so that
// the same input gives the same bytes.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return errors.New("SOURCE_DATE_EPOCH must be the time of the commit, in seconds")
	}
	when := time.Unix(seconds, 0).UTC()
	switch {
	case len(args) == 3 && args[0] == "tar":
		return toFile(args[1], func(w io.Writer) error { return tarball(w, args[2], when) })
	case len(args) == 3 && args[0] == "zip":
		return toFile(args[1], func(w io.Writer) error { return zipped(w, args[2], when) })
	case len(args) > 3 && args[0] == "oci":
		return image(args[1], args[2], args[3:], when)
	}
	return errors.New("write archive tar|zip FILE FOLDER, or archive oci FILE VERSION ARCH=BINARY, once for each")
}

func toFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// files are those of a folder with the name that each gets, in order.
func files(folder string, each func(name, file string, mode fs.FileMode) error) error {
	return filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(folder), file)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		return each(filepath.ToSlash(name), file, mode)
	})
}

func tarball(w io.Writer, folder string, when time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	if err := files(folder, func(name, file string, mode fs.FileMode) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return addTar(t, name, content, mode, when)
	}); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func addTar(t *tar.Writer, name string, content []byte, mode fs.FileMode, when time.Time) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(mode), Size: int64(len(content)), ModTime: when, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

func zipped(w io.Writer, folder string, when time.Time) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	if err := files(folder, func(name, file string, mode fs.FileMode) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: when}
		h.SetMode(mode)
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return err
	}); err != nil {
		return err
	}
	return z.Close()
}

// A descriptor names a blob of an image (OCI image specification 1.1, descriptor.md).
type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// image writes an OCI image layout as one tar file: an image from scratch for each
// architecture, with nothing in it but the binary.
func image(file, version string, binaries []string, when time.Time) error {
	return toFile(file, func(w io.Writer) error {
		t := tar.NewWriter(w)
		written := make(map[string]bool)
		blob := func(kind string, content []byte) (descriptor, error) {
			sum := sha256.Sum256(content)
			digest := hex.EncodeToString(sum[:])
			d := descriptor{MediaType: kind, Digest: "sha256:" + digest, Size: len(content)}
			if written[digest] {
				return d, nil
			}
			written[digest] = true
			return d, addTar(t, path.Join("blobs/sha256", digest), content, 0o644, when)
		}
		value := func(kind string, v any) (descriptor, error) {
			content, err := json.Marshal(v)
			if err != nil {
				return descriptor{}, err
			}
			return blob(kind, content)
		}
		var manifests []descriptor
		for _, b := range binaries {
			arch, binary, ok := strings.Cut(b, "=")
			if !ok {
				return fmt.Errorf("%q is not ARCH=BINARY", b)
			}
			content, err := os.ReadFile(binary)
			if err != nil {
				return err
			}
			var plain, packed bytes.Buffer
			layer := tar.NewWriter(&plain)
			if err := addTar(layer, "zocalo", content, 0o755, when); err != nil {
				return err
			}
			layer.Close() // into memory
			z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
			z.Write(plain.Bytes())
			z.Close()
			sum := sha256.Sum256(plain.Bytes())
			l, err := blob("application/vnd.oci.image.layer.v1.tar+gzip", packed.Bytes())
			if err != nil {
				return err
			}
			c, err := value("application/vnd.oci.image.config.v1+json", map[string]any{
				"created": when.Format(time.RFC3339), "architecture": arch, "os": "linux",
				"config":  map[string]any{"Entrypoint": []string{"/zocalo"}, "User": "65534:65534", "WorkingDir": "/"},
				"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
				"history": []any{map[string]any{"created": when.Format(time.RFC3339), "created_by": "packaging/build"}},
			})
			if err != nil {
				return err
			}
			m, err := value("application/vnd.oci.image.manifest.v1+json", map[string]any{
				"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": c, "layers": []descriptor{l},
				"annotations": map[string]string{"org.opencontainers.image.title": "zocalo", "org.opencontainers.image.version": version, "org.opencontainers.image.created": when.Format(time.RFC3339)},
			})
			if err != nil {
				return err
			}
			m.Platform = &platform{arch, "linux"}
			manifests = append(manifests, m)
		}
		all, err := value("application/vnd.oci.image.index.v1+json", map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests})
		if err != nil {
			return err
		}
		index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{map[string]any{
			"mediaType": all.MediaType, "digest": all.Digest, "size": all.Size, "annotations": map[string]string{"org.opencontainers.image.ref.name": version},
		}}})
		if err != nil {
			return err
		}
		if err := addTar(t, "index.json", index, 0o644, when); err != nil {
			return err
		}
		if err := addTar(t, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644, when); err != nil {
			return err
		}
		return t.Close()
	})
}
