import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import type { Work, WorkProgress } from '../inventory/contract.js';
import { type AdminAnswer, type AdminRequest, refusal } from './route.js';

/** What is done by then is answered at once, with a status that fits. */
const QUICK_MS = 100;
/** How often a client hears of progress; also how it hears that there still is somebody. */
const PROGRESS_MS = 500;
/** Long works of all clients at a time: each reads the disk for all it is worth. */
const PLACES = 2;

/** A line of an answer to long work. The last has `report` or `error`. */
interface WorkLine {
  readonly progress?: WorkProgress;
  readonly report?: object;
  readonly error?: string;
}

/** Runs long work for clients of the API. */
export interface LongWork {
  /**
   * Answers with the report that `task` gives: as JSON when it is there, or with lines of progress before it where the
   * client asks for them. 404 where there is none. The work ends when the client goes away.
   */
  answer(request: AdminRequest, task: (work: Required<Work>) => Promise<object | undefined>): Promise<AdminAnswer>;
}

export function createLongWork(): LongWork {
  let busy = 0;
  return {
    async answer({ signal, wantsLines }, task) {
      if (busy >= PLACES) return refusal(503, 'other long work is under way; try again later', { 'retry-after': '10' });
      busy += 1;
      let latest: WorkProgress = { text: '' };
      const done = task({ signal, onProgress: (progress) => (latest = progress) }).finally(() => (busy -= 1));
      if (!wantsLines) return answerOf(await done);
      const quick = await Promise.race([done.then((report) => ({ report })), delay(QUICK_MS)]);
      if (quick !== undefined && quick.report === undefined) return answerOf(undefined);
      return { lines: linesOf(done, () => latest) };
    },
  };
}

function answerOf(report: object | undefined): AdminAnswer {
  return report === undefined ? refusal(404, 'nothing of that name is in the store') : { body: report };
}

async function* linesOf(done: Promise<object | undefined>, latest: () => WorkProgress): AsyncGenerator<WorkLine> {
  const ending = done.then((report) => ({ report }));
  try {
    let ended = await Promise.race([ending, delay(PROGRESS_MS)]);
    while (ended === undefined) {
      yield { progress: latest() };
      ended = await Promise.race([ending, delay(PROGRESS_MS)]);
    }
    yield ended.report === undefined ? { error: 'it is no longer in the store' } : { report: ended.report };
  } catch (error) {
    yield { error: error instanceof ProxyError ? error.message : 'internal error' };
  }
}
