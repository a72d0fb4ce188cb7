import { Presets, SingleBar } from 'cli-progress';
import type { CommandIo } from './command.js';

/** How long work that is quick shows nothing. */
const QUICK_MS = 300;
const STEPS = 1000;

/** Shows how far long work is. */
export interface ProgressBar {
  /** @param share from 0 to 1; undefined where nobody knows */
  show(share: number | undefined, text: string): void;
  /** Takes the bar away. Safe to call more than once. */
  stop(): void;
}

/**
 * A bar on the terminal that standard error is; nothing where it is none, or where the work is done at once.
 * @param now milliseconds of a clock that never goes back
 */
export function createProgressBar(
  { terminal }: Pick<CommandIo, 'terminal'>,
  doing: string,
  now: () => number = () => performance.now(),
): ProgressBar {
  if (terminal === undefined) return { show: nothing, stop: nothing };
  const since = now();
  let bar: SingleBar | undefined;
  return {
    show(share, text) {
      if (now() - since < QUICK_MS) return;
      bar ??= begin(terminal, share === undefined ? `${doing}  {text}` : `${doing} {bar} {percentage}%  {text}`);
      bar.update(Math.floor((share ?? 0) * STEPS), { text });
    },
    stop() {
      bar?.update({});
      bar?.stop();
      bar = undefined;
    },
  };
}

function begin(stream: NodeJS.WriteStream, format: string): SingleBar {
  const settings = { stream, format, clearOnComplete: true, hideCursor: true, barsize: 30, gracefulExit: false };
  const bar = new SingleBar(settings, Presets.shades_classic);
  bar.start(STEPS, 0, { text: '' });
  return bar;
}

function nothing(): void {
  // Nobody sees it.
}
