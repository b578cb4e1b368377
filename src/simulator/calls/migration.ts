import type { Calls } from '../calls.ts';
import { refOf } from '../domain.ts';
import { wrongState } from '../failure.ts';

/** A guest that goes to another host. All is sent at once: there is never a job to be seen, or to be aborted. */
export const migrationCalls: Calls = {
  domainMigrateBegin3Params: ({ host }, { domain, params, flags }) =>
    host.migrations.begin(host.domains.byRef(domain), params, flags),

  domainMigratePrepare3Params: (caller, { params, flags }) =>
    caller.host.migrations.prepare(caller, params, flags),

  domainMigratePerform3Params: ({ host }, { domain, params, flags }) => ({
    cookie: host.migrations.perform(host.domains.byRef(domain), params, flags),
  }),

  domainMigrateFinish3Params({ host }, { params, cancelled }) {
    const { domain, cookie } = host.migrations.finish(params, cancelled !== 0);
    return { domain: refOf(domain), cookie };
  },

  domainMigrateConfirm3Params({ host }, { domain, cancelled }) {
    host.migrations.confirm(host.domains.byRef(domain), cancelled !== 0);
    return undefined;
  },

  domainGetJobStats({ host }, { domain }) {
    host.domains.byRef(domain);
    return { type: 0, params: {} };
  },

  domainAbortJob({ host }, { domain }) {
    host.domains.byRef(domain);
    throw wrongState('qemu', 'no job is active on the domain');
  },
};
