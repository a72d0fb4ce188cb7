import { hostsFile } from './topology.js';

process.stdout.write(hostsFile());
