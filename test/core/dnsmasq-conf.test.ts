import { describe, expect, it } from 'vitest';
import {
  confFolder,
  dnsPort,
  hostRecordsIn,
  parseArguments,
  parseConf,
} from '../../src/core/dnsmasq-conf.ts';
import { parseDhcpRange, parseEthers, parseReservation } from '../../src/core/dnsmasq-lines.ts';

describe('the command line of dnsmasq', () => {
  it.each([
    [['--port=5353'], { port: '5353' }],
    [['--port', '5353', '-k'], { port: '5353' }],
    [['-p5353'], { port: '5353' }],
    [['-p', '5353', '-u', 'dnsmasq'], { port: '5353' }],
    [['-kd', '-Zh'], { 'read-ethers': '', 'no-hosts': '' }],
    // As Debian starts it.
    [
      [
        '-x',
        '/run/dnsmasq/dnsmasq.pid',
        '-u',
        'dnsmasq',
        '-7',
        '/etc/dnsmasq.d,.dpkg-dist',
        '--local-service',
      ],
      { 'conf-dir': '/etc/dnsmasq.d,.dpkg-dist', 'local-service': '' },
    ],
  ])('%j', (args, expected) => {
    const options = parseArguments(['/usr/sbin/dnsmasq', ...args]);
    expect(Object.fromEntries(options.map(({ key, value }) => [key, value]))).toEqual(expected);
  });
});

describe('a configuration file', () => {
  it('gives its options with their lines, without comments and quotes', () => {
    const text = '# all\n\n dhcp-option=option:ntp,"10.0.0.1" # time\nno-hosts\nport=0#not a comment\n';
    expect(parseConf(text, '/c').map(({ key, value, place }) => [key, value, place])).toEqual([
      ['dhcp-option', 'option:ntp,10.0.0.1', '/c:3'],
      ['no-hosts', '', '/c:4'],
      ['port', '0#not a comment', '/c:5'],
    ]);
  });

  it('gives DNS on port 53 unless it says otherwise', () => {
    expect(dnsPort([])).toBe(53);
    expect(dnsPort(parseConf('port=0\n', '/c'))).toBe(0);
  });

  it('names hosts with their addresses in any order', () => {
    expect(hostRecordsIn(parseConf('host-record=Nas,nas.lab,10.0.0.5,fd00::5\n', '/c'))).toEqual([
      { address: '10.0.0.5', names: ['nas', 'nas.lab'], place: '/c:1' },
    ]);
  });
});

describe('a folder of configuration', () => {
  it.each([
    ['/d', ['a', 'b.conf'], ['.x', 'y~', '#z#']],
    ['/d,.bak,.rpmnew', ['a', 'b.new'], ['a.bak', 'b.rpmnew']],
    ['/d,*.conf', ['a.conf'], ['a', 'a.conf.new']],
    ['/d/,*', ['a'], ['.x']],
  ])('%s', (value, counted, left) => {
    const { includes } = confFolder(value);
    expect([...counted, ...left].filter(includes)).toEqual(counted);
  });
});

describe('a dhcp-host', () => {
  it.each([
    ['52:54:0:aa:BB:1,10.0.0.7', { macs: ['52:54:00:aa:bb:01'], address: '10.0.0.7' }],
    [
      '52:54:00:00:00:01,52:54:00:00:00:02,set:red,Web,10.0.0.7,12h',
      { macs: ['52:54:00:00:00:01', '52:54:00:00:00:02'], address: '10.0.0.7', name: 'web' },
    ],
    ['id:*,52:54:00:00:00:01,infinite', { macs: ['52:54:00:00:00:01'] }],
    ['06-52:54:00:00:00:01,ignore', { macs: ['52:54:00:00:00:01'] }],
    ['lap,10.0.0.8,45m', { macs: [], address: '10.0.0.8', name: 'lap' }],
  ])('%s', (value, expected) => {
    expect(parseReservation(value, '/c:1')).toEqual({ place: '/c:1', ...expected });
  });

  it('is also a line of /etc/ethers', () => {
    expect(parseEthers('52:54:00:00:00:01 10.0.0.7\n', '/e')).toMatchObject([{ address: '10.0.0.7' }]);
  });
});

describe('a dhcp-range', () => {
  const interfaces = [{ name: 'br0', address: '10.1.0.1', prefix: 16 }];
  it.each([
    ['10.0.0.50,10.0.0.150,255.255.255.0,12h', '10.0.0.0/24'],
    ['set:red,10.0.0.0,static,255.255.0.0', '10.0.0.0/16'],
    ['10.1.2.50,10.1.2.150,1h', '10.1.0.0/16'],
    ['10.1.2.50,static', '10.1.0.0/16'],
    ['10.9.0.50,10.9.0.60', undefined],
    ['10.0.0.0,proxy', undefined],
    ['fd00::2,fd00::500,64', undefined],
  ])('%s is in %s', (value, network) => {
    expect(parseDhcpRange(value, interfaces)?.text).toBe(network);
  });
});
