#!/usr/bin/env node
import process from 'node:process';
import { nodeVersionProblem } from './cli/node-version.js';

// The only import that is not made here and now is the program itself: an old Node could not even read it.
const problem = nodeVersionProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}
// Without a listener, Node answers this signal with a debugger's port, where all memory can be read.
process.on('SIGUSR1', () => undefined);
const { run } = await import('./cli/run.js');

// Whoever reads our output may go away (`| head`); that ends listings, and nothing else.
let isRead = true;
process.stdout.on('error', () => {
  isRead = false;
});
process.stderr.on('error', () => undefined);

const code = await run(
  process.argv.slice(2),
  {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    isRead: () => isRead,
    env: process.env,
    cwd: process.cwd(),
    isTerminal: process.stdout.isTTY,
    terminal: process.stderr.isTTY ? process.stderr : undefined,
    onSignal: (listener) => {
      process.on('SIGINT', listener).on('SIGTERM', listener);
      return () => process.off('SIGINT', listener).off('SIGTERM', listener);
    },
    exit: (code) => process.exit(code),
  },
  process.stdout.columns ?? 100,
);
process.exit(code);
