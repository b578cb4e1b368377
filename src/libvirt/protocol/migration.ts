import { typedParamList, typedParams } from '../typed-params.ts';
import { int, nothing, opaque, optional, string, struct, uint } from '../xdr.ts';
import { domainRef, procedure } from './procedure.ts';

/** REMOTE_DOMAIN_MIGRATE_PARAM_LIST_MAX, and REMOTE_DOMAIN_JOB_STATS_MAX. */
const PARAMS_MAX = 64;
/** REMOTE_MIGRATE_COOKIE_MAX. */
const cookie = opaque(4 * 1024 * 1024);
const params = typedParamList(PARAMS_MAX);

/** The five phases of a live migration, which whoever connects both hosts calls in turn. */
export const migrationProcedures = {
  domainResume: procedure(28, struct({ domain: domainRef }), nothing),
  domainAbortJob: procedure(164, struct({ domain: domainRef }), nothing),
  domainGetJobStats: procedure(
    298,
    struct({ domain: domainRef, flags: uint }),
    struct({ type: int, params: typedParams(PARAMS_MAX) }),
  ),
  domainMigrateBegin3Params: procedure(
    302,
    struct({ domain: domainRef, params, flags: uint }),
    struct({ cookie, xml: string }),
  ),
  domainMigratePrepare3Params: procedure(
    303,
    struct({ params, cookie, flags: uint }),
    struct({ cookie, uri: optional(string) }),
  ),
  domainMigratePerform3Params: procedure(
    305,
    struct({ domain: domainRef, daemonUri: optional(string), params, cookie, flags: uint }),
    struct({ cookie }),
  ),
  domainMigrateFinish3Params: procedure(
    306,
    struct({ params, cookie, flags: uint, cancelled: int }),
    struct({ domain: domainRef, cookie }),
  ),
  domainMigrateConfirm3Params: procedure(
    307,
    struct({ domain: domainRef, params, cookie, flags: uint, cancelled: int }),
    nothing,
  ),
} as const;
