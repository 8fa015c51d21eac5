import type { Connection } from "../connection.ts";
import { getDeadLetter } from "../dead-letters.ts";
import { listTasks } from "../list-tasks.ts";
import type { TaskRecord } from "../task-record.ts";

const pageSize = 500;

/** One task by its id: of its execution's current run, or a dead letter. */
export async function task(connection: Connection, id: string): Promise<TaskRecord | undefined> {
  const execution = executionOf(id);
  if (execution === undefined) return undefined;
  for (let cursor: string | undefined; ;) {
    const page = await listTasks(connection, {
      execution,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const found = page.items.find((each) => each.id === id);
    if (found !== undefined) return found;
    if (page.nextCursor === undefined) break;
    cursor = page.nextCursor;
  }
  return (await getDeadLetter(connection, id))?.task;
}

/** The id of a task is that of its execution, the run (with its cut), the path, and how often its dead letter was replayed. */
function executionOf(id: string): string | undefined {
  return /^(.+)\/\d+(?:\.\d+)?\/[\d.]+(?:~\d+)?$/s.exec(id)?.[1];
}
