#!/bin/bash
# perl: fork, pipes, sockets, signals, sorting, System V IPC.
perl -e '
use strict; use Socket; use POSIX ":sys_wait_h"; use IO::Handle; $| = 1;
for my $n (1 .. 5) { my $pid = fork // die; if (!$pid) { exit $n } waitpid $pid, 0; print "child $n: ", $? >> 8, "\n" }
open my $p, "-|", "seq", "1", "5" or die; my $sum = 0; $sum += $_ while <$p>; close $p; print "sum $sum\n";
open $p, "|-", "sort -r" or die; print $p "$_\n" for qw(b a c); close $p; print "sort: $?\n";
socketpair my $x, my $y, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die; $x->autoflush(1); $y->autoflush(1);
if (my $pid = fork) { close $y; print $x "ping\n"; print "parent got: ", scalar <$x>; close $x; waitpid $pid, 0 } else { close $x; my $l = <$y>; print $y "pong for $l"; close $y; exit 0 }
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print "got $@";
local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0; print "reaped\n" }; if (!fork) { exit 0 } select undef, undef, undef, 2; $SIG{CHLD} = "DEFAULT";
my %h = map { $_ => $_ ** 2 } 1 .. 1000; my $t = 0; $t += $h{$_} for keys %h; print "$t\n"; print join(",", (sort { $h{$b} <=> $h{$a} } keys %h)[0 .. 3]), "\n";
my $s = "The quick brown fox" x 1000; my $n = () = $s =~ /\b\w+o\w*\b/g; print "$n\n"; printf "%s %s\n", crypt("a", "\$1\$xy\$"), unpack("%32C*", $s);
opendir my $d, "/usr/lib/os-release" or print "opendir: $!\n"; open my $f, ">", "f" or die; flock $f, 2; print $f "x" x 100000; seek $f, 50, 0; print $f "SEEK"; close $f; print -s "f", " ", (stat "f")[2] & 0777, "\n"; rename "f", "g"; print -e "f" ? "still" : "gone", "\n"; truncate "g", 60; open $f, "<", "g"; local $/; print <$f>, "\n"; unlink "g"; utime 1, 2, "/dev/null"; print join(" ", map { sprintf "%o", $_ } umask), "\n"; symlink "a", "b"; print readlink "b", "\n"; mkdir "dd", 0700; rmdir "dd"; print `echo backtick`; system "exit 3"; print $? >> 8, "\n"; my $r = system "no-such-command-here"; print "$r\n"; exec "sh", "-c", "echo exec; exit 4"'; echo $?
{ perl -e 'use Socket; socket(my $l, PF_UNIX, SOCK_STREAM, 0); bind($l, sockaddr_un("sock")) or die "$!"; listen $l, 5; if (!fork) { socket(my $c, PF_UNIX, SOCK_STREAM, 0); connect $c, sockaddr_un("sock") or die "$!"; syswrite $c, "hello"; exit } accept my $c, $l; sysread $c, my $b, 10; print "$b\n"; wait; kill "KILL", $$'; } 2> /dev/null; echo $?
perl -MTime::HiRes=sleep,time -e '$t = time; sleep 0.2; print time - $t >= 0.2 ? "slept\n" : "short\n"; kill TERM => fork || do { sleep 9 }; wait; print $? & 127, "\n"'
perl -e '$SIG{__WARN__} = sub { print "warned: $_[0]" }; warn "x\n"; my @a = map { [$_, rand] } 1..10; $SIG{PIPE} = sub { print STDOUT "sigpipe\n" }; pipe R, W; close R; syswrite W, "x"; print $!{EPIPE} ? "epipe\n" : "?\n"; die { code => 3 } if 0; $! = 2; die "the end: $!\n"'; echo $?
perl -MIPC::SysV=IPC_PRIVATE,IPC_RMID,IPC_CREAT -e 'my ($m, $q, $s) = (shmget(IPC_PRIVATE, 99, IPC_CREAT | 0600), msgget(IPC_PRIVATE, IPC_CREAT | 0600), semget(IPC_PRIVATE, 1, IPC_CREAT | 0600)); shmwrite $m, "shared", 0, 6 or die $!; if (!fork) { shmread $m, my $b, 0, 6; msgsnd $q, pack("l! a*", 3, "got $b"), 0; semop $s, pack "s!3", 0, 1, 0; exit } semop $s, pack "s!3", 0, -1, 0; msgrcv $q, my $r, 99, 3, 0; print unpack("x![l!] x8 a*", $r), "\n"; wait; print shmctl($m, IPC_RMID, 0) && msgctl($q, IPC_RMID, 0) && semctl($s, 0, IPC_RMID, 0), "\n"'
