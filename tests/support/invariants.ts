/**
 * The invariants of architecture.md, as far as a database at rest shows them. Each check answers with the violations that it found, in words.
 *
 * They may be asked at any moment between two commits, also while workers run, and after any crash.
 */

/** Runs a query, written so that every database of Stent's takes it. */
export type Query = <Row>(sql: string) => Promise<readonly Row[]>;

/** What must find nothing, and the sentence for each row that it finds. */
interface Rule {
  readonly sentence: string;
  readonly sql: string;
}

/** Every violation in a database; none where all is well. `query`: in one transaction where others are at work. `now`: by the clock of whoever wrote it. */
export async function checkInvariants(query: Query, now: number = Date.now()): Promise<string[]> {
  const found: string[] = [];
  for (const { sentence, sql } of rules(now)) {
    for (const row of await query<Record<string, unknown>>(sql)) {
      found.push(sentence.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(row[name])));
    }
  }
  return found;
}

function rules(now: number): Rule[] {
  return [
    ...ruleI1(),
    ...ruleI2(),
    ...ruleI3(),
    ...ruleI4(),
    ...ruleI5(),
    ...ruleI6(),
    ...ruleI8(now),
    ...ruleI9(),
    ...ruleI11(),
    ...ruleI14(),
  ];
}

/** I1: a path is written once a run, and each delivery has a number of its own. */
function ruleI1(): Rule[] {
  return [
    rule(
      "I1: path {path} of execution {execution}, run {run}, is written {count} times",
      `select execution, run, path, count(*) as count from stent_journal
       where kind not in ${records} group by execution, run, path having count(*) > 1`,
    ),
    rule(
      "I1: delivery {delivery} of execution {execution}, run {run}, is that of {count} entries",
      `select execution, run, delivery, count(*) as count from stent_journal
       where delivery is not null and delivery <> reached and kind in ${steps}
       group by execution, run, delivery having count(*) > 1`,
    ),
    rule(
      "I1: entry {path} of execution {execution}, run {run}, is delivered without an outcome",
      `select execution, run, path from stent_journal where delivery is not null and status not in (1, 2) and kind in ${steps}`,
    ),
    rule(
      "I1: entry {path} of execution {execution} is of run {run}, which has not begun",
      `select j.execution, j.run, j.path from stent_journal j join stent_executions e on e.key = j.execution where j.run > e.run`,
    ),
  ];
}

/** I9: no more places are taken than there are, none by somebody who is gone, and nobody waits aside without a word of it. */
function ruleI9(): Rule[] {
  const never = "due_at = 8640000000000000 and worker is null";
  return [
    rule(
      "I9: {count} places of {places} are taken at {name}",
      `select g.name, g.places, count(*) as count from stent_slots s join stent_gates g on g.key = s.gate
       group by g.name, g.places having count(*) > g.places`,
    ),
    rule(
      "I9: a place of gate {gate} is held by session {session}, which is dead",
      `select s.gate, s.session from stent_slots s left join stent_workers w on w.key = s.session
       where s.session is not null and (w.key is null or w.state = 'dead')`,
    ),
    rule(
      "I9: a place of gate {gate} is held by execution {holder}, which has ended or is gone",
      `select s.gate, s.holder from stent_slots s left join stent_executions e on e.key = -s.holder
       where s.session is null and (e.key is null or e.ended_at is not null)`,
    ),
    rule(
      "I9: {holder} runs for all who want result {name}, and has ended or is gone",
      `select r.name, r.holder from stent_results r left join stent_executions e on e.key = -r.holder
       where r.holder < 0 and (e.key is null or (e.ended_at is not null and r.session is null))`,
    ),
    rule(
      "I8: task {key} is due at no time, and waits for nothing",
      `select t.key from stent_tasks t where ${never} and not exists (select 1 from stent_waits w where w.holder = t.key and w.called = 0)`,
    ),
    rule(
      "I8: execution {id} is due at no time, and waits for nothing",
      `select e.id from stent_executions e where ${never} and not exists (select 1 from stent_waits w where w.holder = -e.key and w.called = 0)`,
    ),
  ];
}

/** I2: what has ended has nothing left that could change it, and has ended for good. */
function ruleI2(): Rule[] {
  return [
    rule(
      "I2: execution {id} is {state}, but its end is {ended_at}",
      `select id, state, ended_at from stent_executions where (ended_at is not null) <> (state in ${finals})`,
    ),
    rule(
      "I2: execution {id} has ended, and is still held, due or blocked",
      `select id from stent_executions
       where ended_at is not null and (worker is not null or due_at is not null or blocked is not null)`,
    ),
    ...["stent_tasks", "stent_arrivals", "stent_fanouts"].map((table) =>
      rule(
        `I2: execution {execution} has ended or is gone, and has {count} rows in ${table}`,
        `select t.execution, count(*) as count from ${table} t left join stent_executions e on e.key = t.execution
         where e.key is null or e.ended_at is not null group by t.execution`,
      ),
    ),
  ];
}

/** I3: nothing is held by a session that is dead or unknown. */
function ruleI3(): Rule[] {
  return ["stent_executions", "stent_tasks"].map((table) =>
    rule(
      `I3: row {key} of ${table} is held by session {worker}, which is not live`,
      `select t.key, t.worker from ${table} t left join stent_workers w on w.key = t.worker
       where t.worker is not null and w.state is distinct from 'live'`,
    ),
  );
}

/** I4: what has its outcome is not in the queue any more, and no work is queued twice. */
function ruleI4(): Rule[] {
  return [
    rule(
      "I4: task {key} is of entry {seq} of execution {execution}, run {run}, which waits for nothing",
      `select t.key, t.execution, t.run, t.seq from stent_tasks t
       left join stent_journal j on j.execution = t.execution and j.run = t.run and j.seq = t.seq
       left join stent_executions e on e.key = t.execution
       where j.status is distinct from 0 or e.run is distinct from t.run`,
    ),
    rule(
      "I4: task {key} of entry {seq} of execution {execution} is queued, though its outcome has arrived",
      `select t.key, t.execution, t.seq from stent_tasks t join stent_arrivals a
       on a.execution = t.execution and a.run = t.run and a.seq = t.seq where a.kind <> 'records'`,
    ),
    rule(
      "I4: entry {seq} of execution {execution} has {count} outcomes that have arrived",
      `select execution, run, seq, count(*) as count from stent_arrivals where kind <> 'records'
       group by execution, run, seq having count(*) > 1`,
    ),
    rule(
      "I4: task {key} would begin entry {seq} of execution {execution}, which its holder has begun itself",
      `select t.key, t.execution, t.seq from stent_tasks t
       join stent_journal j on j.execution = t.execution and j.run = t.run and j.seq = t.seq
       where j.worker is not null`,
    ),
    rule(
      "I4: task {key} is for item {item} of entry {seq} of execution {execution}, which has its outcome",
      `select t.key, t.execution, t.seq, i.item from stent_tasks t join stent_items i
       on i.execution = t.execution and i.run = t.run and i.seq = t.seq and i.item = t.item_from
       where t.item_to = t.item_from + 1 and t.worker is null and i.status <> 0 and i.alone = 1`,
    ),
  ];
}

/** I5: failures are counted among starts. */
function ruleI5(): Rule[] {
  return [
    rule(
      "I5: task {key} has failed {failures} times in {attempt} starts",
      `select key, failures, attempt from stent_tasks where failures > attempt`,
    ),
    rule(
      "I5: execution {id} has failed {failures} times, and is at its attempt {attempt}",
      `select id, failures, attempt from stent_executions where failures >= attempt`,
    ),
  ];
}

/** I6: a message is consumed once, in order, by a wait that has it; and nobody waits beside it for nothing. */
function ruleI6(): Rule[] {
  return [
    rule(
      "I6: message {key} of execution {execution} is half consumed",
      `select key, execution from stent_signals where (consumed_run is null) <> (consumed_seq is null)`,
    ),
    rule(
      "I6: {count} messages were consumed by wait {seq} of execution {execution}, run {run}",
      `select execution, consumed_run as run, consumed_seq as seq, count(*) as count from stent_signals
       where consumed_run is not null group by execution, consumed_run, consumed_seq having count(*) > 1`,
    ),
    rule(
      "I6: message {key} of execution {execution} was consumed by entry {seq}, which has not received it",
      `select s.key, s.execution, s.consumed_seq as seq from stent_signals s
       join stent_executions e on e.key = s.execution and e.run = s.consumed_run
       left join stent_journal j on j.execution = s.execution and j.run = s.consumed_run and j.seq = s.consumed_seq
       where j.kind is distinct from 'signal' or j.status <> 1`,
    ),
    rule(
      "I6: wait {path} of execution {execution}, run {run}, received a message that is not there",
      `select j.execution, j.run, j.path from stent_journal j
       where j.kind = 'signal' and j.status = 1 and not exists (
         select 1 from stent_signals s
         where s.execution = j.execution and s.consumed_run = j.run and s.consumed_seq = j.seq)`,
    ),
    rule(
      'I6: message {key} of execution {execution} was overtaken by a later one of "{name}"',
      `select s.key, s.execution, s.name from stent_signals s where s.consumed_run is null and exists (
         select 1 from stent_signals l where l.execution = s.execution and l.name = s.name
         and l.key > s.key and l.consumed_run is not null)`,
    ),
    rule(
      "I6: message {key} is for execution {execution}, which is not there",
      `select key, execution from stent_signals where execution not in (select key from stent_executions)`,
    ),
  ];
}

/**
 * I8: no orphans. Every unfinished execution is held, due or blocked, or each thing that it waits for exists; and so for the items of
 * every map. This is the query that a product would run to prove it.
 */
function ruleI8(now: number): Rule[] {
  const backing: Record<string, string> = {
    call: `exists (select 1 from stent_tasks t where t.execution = j.execution and t.run = j.run and t.seq = j.seq)`,
    map: `exists (select 1 from stent_fanouts f where f.execution = j.execution and f.run = j.run and f.seq = j.seq and f.left > 0)`,
    child: `exists (select 1 from stent_executions c where c.parent = j.execution and c.parent_run = j.run and c.parent_seq = j.seq and c.ended_at is null)`,
    sleep: "j.due_at is not null",
    sleepUntil: "j.due_at is not null",
    signal: "1 = 1",
    // They run where their execution is held, and nowhere else.
    run: "1 = 0",
    transaction: "1 = 0",
    sendSignal: "1 = 0",
  };
  const backed = Object.entries(backing).map(([kind, exists]) => `when '${kind}' then ${exists}`);
  const parked = `e.ended_at is null and e.worker is null and e.blocked is null and (e.due_at is null or e.due_at > ${now})`;
  return [
    rule(
      "I8: execution {id} waits for nothing, and is neither held, due nor blocked",
      `select e.id from stent_executions e where ${parked} and e.due_at is null and not exists (
         select 1 from stent_journal j where j.execution = e.key and j.run = e.run and j.status = 0 and j.kind in ${steps})`,
    ),
    rule(
      "I8: execution {id} is parked, and its {kind} at {path} has nobody who works on it",
      `select e.id, j.kind, j.path from stent_executions e join stent_journal j on j.execution = e.key and j.run = e.run
       where ${parked} and j.status = 0 and j.kind in ${steps}
       and not (case j.kind ${backed.join(" ")} end) and not exists (
         select 1 from stent_arrivals a where a.execution = j.execution and a.run = j.run and a.seq = j.seq and a.kind <> 'records')`,
    ),
    rule(
      "I8: arrival {key} of execution {id} waits, but the execution is not to have a turn",
      `select a.key, e.id from stent_arrivals a join stent_executions e on e.key = a.execution where ${parked} and a.kind <> 'records'`,
    ),
    rule(
      "I8: {kind} {path} of execution {id} ends by itself at {at}, but its execution is due at {due_at}",
      `select e.id, j.kind, j.path, j.due_at as at, e.due_at from stent_executions e
       join stent_journal j on j.execution = e.key and j.run = e.run
       where ${parked} and j.status = 0 and j.kind in ${steps} and j.due_at is not null and (e.due_at is null or e.due_at > j.due_at)`,
    ),
    rule(
      "I8: execution {id} passes its deadline at {deadline}, and is due at {due_at}",
      `select id, deadline, due_at from stent_executions e
       where ${parked} and e.state = 'running' and e.deadline is not null and e.not_before <= ${now}
       and (e.due_at is null or e.due_at > e.deadline)
       and not exists (select 1 from stent_journal j where j.execution = e.key and j.run = e.run and j.path = 'cancel')`,
    ),
    ...rulesOfFanouts(),
    ...rulesOfItemChildren(),
  ];
}

/** The items of a map: as many wait as are counted, and each that was put into the queue is there once. */
function rulesOfFanouts(): Rule[] {
  const itemsOf = `i.execution = f.execution and i.run = f.run and i.seq = f.seq`;
  return [
    rule(
      "I8: the map at entry {seq} of execution {execution} counts {left} items as left, but {open} are",
      `select f.*, (select count(*) from stent_items i where ${itemsOf} and i.status = 0) as open from stent_fanouts f
       where f.left <> (select count(*) from stent_items i where ${itemsOf} and i.status = 0)
       or f.left < 0 or f.next > f.total`,
    ),
    rule(
      "I8: item {item} of the map at entry {seq} of execution {execution} is in {count} tasks",
      `select i.execution, i.seq, i.item, count(t.key) as count from stent_items i
       join stent_fanouts f on ${itemsOf} and i.item < f.next
       join stent_journal j on j.execution = i.execution and j.run = i.run and j.seq = i.seq
       left join stent_tasks t on t.execution = i.execution and t.run = i.run and t.seq = i.seq
         and t.item_from <= i.item and t.item_to > i.item and (case when t.path <> j.path then 1 else 0 end) = i.alone
       where i.status = 0 and (j.options is null or j.options not like '%"over":%')
       group by i.execution, i.run, i.seq, i.item having count(t.key) <> 1`,
    ),
    rule(
      "I8: item {item} of the map at entry {seq} of execution {execution} has begun, and {count} of its children are under way",
      `select i.execution, i.seq, i.item, count(c.key) as count from stent_items i
       join stent_fanouts f on ${itemsOf} and i.item < f.next
       join stent_journal j on j.execution = i.execution and j.run = i.run and j.seq = i.seq
       left join stent_executions c on ${childOf} and c.ended_at is null
       where i.status = 0 and j.options like '%"over":%'
       group by i.execution, i.run, i.seq, i.item having count(c.key) <> 1`,
    ),
  ];
}

/** Children of maps: an item has a value only if its child has completed, and no child is of an item that is not there. */
function rulesOfItemChildren(): Rule[] {
  return [
    rule(
      "I4: item {item} of the map at entry {seq} of execution {execution} is completed, but its child is {state}",
      `select i.execution, i.seq, i.item, c.state from stent_items i
       join stent_journal j on j.execution = i.execution and j.run = i.run and j.seq = i.seq
       left join stent_executions c on ${childOf}
       where i.status = 1 and j.options like '%"over":%' and c.state is distinct from 'completed'`,
    ),
    rule(
      "I11: execution {id} is item {item} of a map of execution {parent} that has no such item",
      `select c.id, c.parent_item as item, c.parent from stent_executions c
       join stent_executions e on e.key = c.parent and e.run = c.parent_run
       left join stent_items i on ${childOf}
       where c.parent_item is not null and i.item is null`,
    ),
  ];
}

const childOf = `c.parent = i.execution and c.parent_run = i.run and c.parent_seq = i.seq and c.parent_item = i.item`;

/** I11: one step, one task, one child; one task, one dead letter. */
function ruleI11(): Rule[] {
  return [
    rule(
      "I11: entry {seq} of execution {execution}, run {run}, has {count} tasks",
      `select execution, run, seq, count(*) as count from stent_tasks where item_from is null
       group by execution, run, seq having count(*) > 1`,
    ),
    rule(
      "I11: entry {seq} of execution {parent}, run {run}, has {count} children",
      `select parent, parent_run as run, parent_seq as seq, count(*) as count from stent_executions
       where parent is not null and parent_seq is not null
       group by parent, parent_run, parent_seq, parent_item having count(*) > 1`,
    ),
    rule(
      "I11: the id {id} is that of {count} executions",
      `select id, count(*) as count from stent_executions group by id having count(*) > 1`,
    ),
    rule(
      "I11: the lane of {name} is there {count} times",
      `select name, count(*) as count from stent_lanes group by kind, name, version, queue, tags having count(*) > 1`,
    ),
    rule(
      "I11: row {key} is in a lane of {lane}, and is of {name}",
      `select e.key, e.name, l.name as lane from stent_executions e left join stent_lanes l on l.key = e.lane
       where l.name is distinct from e.name or l.queue is distinct from e.queue or l.kind is distinct from e.kind or l.version is distinct from e.version
       union all
       select t.key, t.name, l.name from stent_tasks t left join stent_lanes l on l.key = t.lane
       where l.name is distinct from t.name or l.queue is distinct from t.queue or l.kind is distinct from 'activity'`,
    ),
  ];
}

/** I14: no commit is there in part: the entries of a run have no gap. */
function ruleI14(): Rule[] {
  return [
    rule(
      "I14: run {run} of execution {execution} has entries {first} to {last}, but {count} of them",
      `select j.execution, j.run, min(j.seq) as first, max(j.seq) as last, count(*) as count
       from stent_journal j join stent_executions e on e.key = j.execution
       where e.cut = 0 group by j.execution, j.run having count(*) <> max(j.seq) - min(j.seq) + 1`,
    ),
    ...[
      "stent_journal",
      "stent_items",
      "stent_counters",
      "stent_state",
      "stent_left_runs",
      "stent_marks",
      "stent_dead_letters",
    ].map((table) =>
      rule(
        `I14: ${table} has rows of execution {execution}, which is not there`,
        `select distinct execution from ${table} where execution not in (select key from stent_executions)`,
      ),
    ),
  ];
}

const finals = "('completed', 'failed', 'timed_out', 'cancelled')";
/** Entries that stand beside a step. */
const records = "('counters.add', 'state.set', 'progress')";
/** Entries that wait for an outcome. */
const steps = "('call', 'map', 'child', 'sleep', 'sleepUntil', 'signal', 'run', 'sendSignal')";

function rule(sentence: string, sql: string): Rule {
  return { sentence, sql };
}
