# Every part of the scripts here; each of them sources this one file.
library=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/settings.sh
. "$library/settings.sh"
# shellcheck source=lib/process.sh
. "$library/process.sh"
# shellcheck source=lib/check.sh
. "$library/check.sh"
# shellcheck source=lib/network.sh
. "$library/network.sh"
# shellcheck source=lib/pki.sh
. "$library/pki.sh"
# shellcheck source=lib/control-plane.sh
. "$library/control-plane.sh"
# shellcheck source=lib/dns.sh
. "$library/dns.sh"
# shellcheck source=lib/proxy.sh
. "$library/proxy.sh"
# shellcheck source=lib/images.sh
. "$library/images.sh"
# shellcheck source=lib/nodes.sh
. "$library/nodes.sh"
# shellcheck source=lib/faults.sh
. "$library/faults.sh"
# shellcheck source=lib/services.sh
. "$library/services.sh"
# shellcheck source=lib/addons.sh
. "$library/addons.sh"
