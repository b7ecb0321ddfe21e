package command

import (
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
)

// replaceFile writes a file as a whole: whoever reads it sees the old content or the new, also when the disk is full or
// the command is stopped. A file that is there keeps its permissions, and a link to it stays one. What is no regular
// file, such as /dev/stdout, is written to.
func replaceFile(path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return closed(file, write(file))
	}
	if err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	// The name is as long as any may be.
	name := filepath.Join(filepath.Dir(path), ".inferscope-"+rand.Text())
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(name) // gone already once it was renamed
	err = write(file)
	if err == nil && info != nil {
		err = file.Chmod(info.Mode().Perm())
	}
	if err = closed(file, err); err != nil {
		return err
	}
	return os.Rename(name, path)
}

// closed closes a file that was written, with the result err: a failure may show only now.
func closed(file *os.File, err error) error {
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}
