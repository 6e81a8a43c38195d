package orders

import (
	"bufio"
	"cmp"
	"log"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The last line of a `.env` of `convoy up`.
const last = "CONVOY_SASL_MECHANISM"

// TestMain uses the servers of `convoy up -- go test ./...`, or starts some.
func TestMain(m *testing.M) {
	if os.Getenv("BOOTSTRAP_SERVER") != "" {
		os.Exit(m.Run())
	}
	convoy := exec.Command(cmp.Or(os.Getenv("CONVOY"), "convoy"), "up", "--broker-port=0",
		"--registry-port=0", "--store-port=0", "--exit-with-parent", "--quiet")
	convoy.Stderr = os.Stderr
	stdout, err := convoy.StdoutPipe()
	if err == nil {
		err = convoy.Start()
	}
	if err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		os.Setenv(name, strings.Trim(value, "'"))
		if name == last {
			break
		}
	}
	code := m.Run()
	convoy.Process.Signal(os.Interrupt)
	convoy.Wait()
	os.Exit(code)
}
