package doctor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// keySize is that of the key of journals, in bytes: as long as the sums made with it.
const keySize = sha256.Size

// key reads the key of the journals; with make it is made when there is none.
func (t Target) key(make bool) ([]byte, error) {
	key, err := readAtMost(t.KeyFile, keySize)
	if missing := errors.Is(err, fs.ErrNotExist); !missing || !make {
		if err == nil && len(key) != keySize {
			err = fmt.Errorf("%s does not hold %d bytes; remove it, and with it the undo of what was mended so far", t.KeyFile, keySize)
		}
		if missing {
			err = fmt.Errorf("the key %s is gone, without which no journal is trusted", t.KeyFile)
		}
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(t.KeyFile), 0o700); err != nil {
		return nil, err
	}
	key = newKey()
	// Of two that make one at once the first wins.
	c := swapfile.Change{Path: t.KeyFile, From: swapfile.Place{Kind: swapfile.Missing}, To: swapfile.Holds(key, 0o600), Data: key,
		Spare: t.KeyFile + "." + hex.EncodeToString(key[:4]) + ".tmp"}
	err = c.Do()
	if _, late := errors.AsType[*swapfile.ChangedError](err); late {
		return t.key(false)
	}
	return key, err
}

func newKey() []byte {
	b := make([]byte, keySize)
	rand.Read(b) // never fails: the process ends when the system has no randomness
	return b
}

// sealOf is the sum over text that only who knows the key can make.
func sealOf(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return []byte(hex.EncodeToString(h.Sum(nil)) + "\n")
}

// hider encrypts what files held, with a key of its own: a unit that a repair had to
// take a secret out of would else keep it in the journal for others to find.
func hider(key []byte) (cipher.AEAD, error) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("contents of files"))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// hiddenExtra is what hide adds, in bytes: nonce and tag.
const hiddenExtra = 12 + 16

func hide(key, text []byte) ([]byte, error) {
	c, err := hider(key)
	if err != nil {
		return nil, err
	}
	return c.Seal(nil, nil, text, nil), nil
}

// reveal undoes hide.
func reveal(key, hidden []byte) ([]byte, error) {
	c, err := hider(key)
	if err != nil {
		return nil, err
	}
	return c.Open(nil, nil, hidden, nil)
}

// ownDir makes the directories one in another, beginning in dir. A link in the place of
// one is refused: what is written there would go elsewhere.
func ownDir(dir string, names ...string) error {
	for _, name := range names {
		dir = filepath.Join(dir, name)
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			err = atomicfile.SyncDir(filepath.Dir(dir))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is no directory; move it away", dir)
		}
	}
	return nil
}
