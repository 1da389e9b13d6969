#!/usr/bin/env bash
# Makes a base for deploy/Dockerfile where no registry is reached: the libraries of Debian 11
# (glibc 2.31, which does without clone3) and a Python built from Debian 12's source package, in
# one archive for `docker import`. Neither shell nor package manager is in it.
#
#     deploy/container/base.sh base.tar
#
# Needs root, debootstrap and Debian's mirror, and some 4 minutes on 2 cores. Works below $TMPDIR.
set -euo pipefail

out=$(realpath "${1:?usage: base.sh OUTPUT.tar}")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/base.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "== Debian 11"
debootstrap --variant=minbase bullseye "$work" >"$out.log"

cat >"$work/build" <<'INSIDE'
set -euo pipefail
log() { "$@" >>/build.log 2>&1; }

echo "== Python from the source package of Debian 12"
mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list | head -n 1)
{
  echo "deb ${mirror%/debian}/debian-security bullseye-security main"
  echo "deb-src $mirror bookworm main"
  echo "deb-src ${mirror%/debian}/debian-security bookworm-security main"
} >/etc/apt/sources.list.d/more.list
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/fast # the whole folder is for one use
export DEBIAN_FRONTEND=noninteractive
log apt-get update
log apt-get upgrade -y
log apt-get install -y --no-install-recommends build-essential ca-certificates libbz2-dev \
  libexpat1-dev libffi-dev liblzma-dev libssl-dev zlib1g-dev
cd /var/tmp
# A mirror may lack the newest of the security archive; that of the last point release is always there.
log apt-get source -o APT::Sandbox::User=root python3.11 ||
  log apt-get source -o APT::Sandbox::User=root python3.11/bookworm
cd python3.11-*/
log ./configure --prefix=/usr --with-system-expat --without-ensurepip --without-static-libpython \
  --disable-test-modules \
  ac_cv_posix_semaphores_enabled=yes ac_cv_broken_sem_getvalue=no # /dev/shm is not here to try them
# One of Debian's patches lets this module use internal headers, as Debian builds it into the program.
echo 'pyexpat -DPy_BUILD_CORE_BUILTIN pyexpat.c -lexpat' >Modules/Setup.local
log make "-j$(nproc)"
log make install DESTDIR=/python

echo "== what it needs to run, and no more"
base=/base
mkdir -p $base/{dev,etc,proc,sys,tmp,var/lib/dpkg} $base/usr/{bin,lib,lib64,share/doc}
chmod 1777 $base/tmp
ln -s usr/bin usr/lib usr/lib64 $base/
cp -a /python/usr/bin/python3.11 $base/usr/bin/
ln -s python3.11 $base/usr/bin/python3
cp -a /python/usr/lib/python3.11 $base/usr/lib/
(cd $base/usr/lib/python3.11 && rm -r config-3.11-* ensurepip idlelib lib2to3 pydoc_data tkinter turtledemo)
rm -f $base/usr/lib/python3.11/lib-dynload/nis.*  # alone brings Kerberos
find $base/usr -name '*.opt-?.pyc' -delete
strip --strip-unneeded $base/usr/bin/python3.11 $base/usr/lib/python3.11/lib-dynload/*.so
# The loader is asked for the libraries; those of look-ups and of wheels in Rust are opened later.
tuple=$(gcc -dumpmachine)
libraries=$(find $base/usr -name '*.so' -exec ldd $base/usr/bin/python3.11 {} + 2>/dev/null |
  grep -o '/[^ ]*lib[^ ]*\.so[^ ]*' | grep -v "^$base" | sort -u)
for file in $libraries /lib/"$tuple"/lib{gcc_s.so.1,nss_dns.so.2,nss_files.so.2,resolv.so.2}; do
  install -D -m 755 "$file" "$base$file"
  dpkg -S "*/$tuple/$(basename "$(realpath "$file")")" | cut -d: -f1
done | sort -u >/packages
while read -r package; do # so that scanners of images know what is there
  dpkg-query -s "$package" && echo
done </packages >$base/var/lib/dpkg/status
while read -r package; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$base/usr/share/doc/$package/copyright"
done </packages
install -D -m 644 /var/tmp/python3.11-*/debian/copyright $base/usr/share/doc/python3.11/copyright
echo 'root:x:0:0:root:/:/nonexistent' >$base/etc/passwd
echo 'root:x:0:' >$base/etc/group
echo 'hosts: files dns' >$base/etc/nsswitch.conf
cp -L /etc/os-release $base/etc/
INSIDE
env --unset=TMPDIR chroot "$work" bash /build || { tail -n 20 "$work/build.log" >&2; exit 1; }

tar --create --file "$out" --directory "$work/base" --sort=name --numeric-owner .
rm "$out.log"
chroot "$work/base" python3 -c '
import bz2, ctypes, lzma, multiprocessing.synchronize, platform, pyexpat, ssl, zlib
print("==", *platform.libc_ver(), "Python", platform.python_version(), ssl.OPENSSL_VERSION)'
du -h "$out"
