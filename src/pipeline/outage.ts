import type { Target } from '../http/exchange.js';
import { isOutageFault, isOutageStatus } from '../upstream/registry-health.js';
import type { PipelineContext } from './context.js';

/** The longest that something which may be answered from here waits for a registry that is there and says nothing. */
const LONGEST_WAIT_MS = 10_000;

/** A question to a registry that has a second answer. */
export interface Question<Answer, Instead> {
  readonly context: Pick<PipelineContext, 'health'>;
  readonly target: Target;
  /** Whether the client shows no credential: it then also depends on the token server. */
  readonly anonymous: boolean;
  ask(): Promise<Answer>;
  /** What there is to say without the registry; looked for only where the registry has no answer. */
  instead(): Promise<Instead | undefined>;
  /** Which statuses say that the registry cannot answer now; 429 and most from 500 on where it is left out. */
  readonly isOutage?: (status: number) => boolean;
  /** Which faults say that nobody answered. */
  readonly isOutageFault?: (error: unknown) => boolean;
  /** Takes an answer that came when nobody waited for it any more. */
  abandon?(answer: Answer): void;
}

/** Either the registry's answer, or what is said instead. */
export type Heard<Answer, Instead> = { readonly answer: Answer } | { readonly instead: Instead };

/**
 * Asks a registry, unless it is known to be away. Where nothing comes back, a question of our own tells whether anybody
 * is there: a registry that is only slow is waited for, one that is not there is given up within two seconds. Its
 * refusals are answers and never an outage, but for a 401 that leads to a token server which is not there.
 */
export async function hear<Answer extends { readonly status: number }, Instead>(
  question: Question<Answer, Instead>,
): Promise<Heard<Answer, Instead>> {
  const { context, target, anonymous } = question;
  if (context.health.isAway(target, anonymous)) {
    const instead = await question.instead();
    if (instead !== undefined) return { instead };
  }
  const asking = question.ask();
  if (await isSilent(question, asking)) {
    const instead = await question.instead();
    if (instead !== undefined) {
      asking.then(
        (answer) => question.abandon?.(answer),
        () => {},
      );
      return { instead };
    }
  }
  let answer: Answer;
  try {
    answer = await asking;
  } catch (error) {
    const isOutage = question.isOutageFault ?? isOutageFault;
    const instead = isOutage(error) ? await question.instead() : undefined;
    if (instead === undefined) throw error;
    return { instead };
  }
  const instead = (await saysNothing(question, answer.status)) ? await question.instead() : undefined;
  if (instead === undefined) return { answer };
  question.abandon?.(answer);
  return { instead };
}

async function saysNothing<Answer, Instead>(
  { context, target, anonymous, isOutage = isOutageStatus }: Question<Answer, Instead>,
  status: number,
): Promise<boolean> {
  if (status === 401 && anonymous) return !(await context.health.tokenServerAnswers(target));
  return isOutage(status);
}

/** Whether there is no answer in time, and nobody there to wait for. */
async function isSilent<Answer, Instead>(
  { context, target }: Question<Answer, Instead>,
  asking: Promise<Answer>,
): Promise<boolean> {
  if (await settles(asking, context.health.patienceMs(target))) return false;
  const isThere = await Promise.race([over(asking), context.health.answers(target)]);
  return !isThere || !(await settles(asking, LONGEST_WAIT_MS));
}

function over(asking: Promise<unknown>): Promise<true> {
  return asking.then(
    () => true,
    () => true,
  );
}

async function settles(asking: Promise<unknown>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), withinMs);
  });
  return Promise.race([over(asking), late]).finally(() => clearTimeout(timer));
}
