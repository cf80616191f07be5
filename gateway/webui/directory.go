package webui

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// directory serves the built files of a Control UI. A path that is no file is one of the
// UI's own views, and gets its index.
func directory(root string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dir, err := os.OpenRoot(root) // follows no link out of it
		if err != nil {
			http.Error(w, fmt.Sprintf("Control UI assets not found: gateway.controlUi.root: %v", err), http.StatusServiceUnavailable)
			return
		}
		defer dir.Close()
		name := strings.TrimPrefix(r.URL.Path, "/")
		if at := strings.LastIndex("/"+name, "/assets/"); at >= 0 {
			name = name[at:] // a view's own path may stand in front
		}
		if strings.HasSuffix(name, "/") || !fs.ValidPath(name) || name == "." || !isFile(dir.FS(), name) {
			name = "index.html"
		}
		if _, err := fs.Stat(dir.FS(), name); errors.Is(err, fs.ErrNotExist) {
			http.Error(w, fmt.Sprintf("Control UI assets not found: there is no index.html in gateway.controlUi.root, %s", root), http.StatusServiceUnavailable)
			return
		}
		http.ServeFileFS(w, r, dir.FS(), name)
	})
}

func isFile(dir fs.FS, name string) bool {
	info, err := fs.Stat(dir, name)
	return err == nil && info.Mode().IsRegular()
}
