#!/bin/sh
# It's a comment with a lone apostrophe: ucarp -i eth9 -v 9
DEV=eth1
SRC=$(hostname -I)
echo "starting ucarp"
[ -x /usr/sbin/ucarp ] && /usr/sbin/ucarp --interface=$DEV --srcip="$SRC" --vhid=1 --pass='my pass' \
    --addr=192.168.1.1 --upscript=/etc/vip-up.sh --downscript=/etc/vip-down.sh -Pz &
ucarp -i ${DEV} -s 192.168.1.3 -v2 -k255 -b 2 -o /etc/ucarp.pass -a 192.168.1.9 -r 5 -M -n -y -x "extra words" -u vip-up.sh
ucarp -i eth2 -s 10.0.0.2 -v 0 -p x -a 10.0.0.1
ucarp --vhid 4 -p x -a 10.0.0.1
ucarp -i eth1 -s 192.168.1.3 -v 2 -p other -a 192.168.1.8
