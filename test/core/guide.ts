/** The manifest of the old scripts' guide, from its overview. */
export const GUIDE_BUILD = `[
    {
        "host" : "t01",
        "vmspecs" : [
          {
              "name" : "tdh-m01",
              "hostname" : "tdh-m01.tdh.internal",
              "ipaddress" : "173.30.5.11",
              "vcpus" : 2,
              "memoryGb" : 4,
              "maxMemoryGb" : 8,
              "numDisks": 0,
              "diskSize" : 0
          }
        ]
    }
]
`;

/** The guide's manifest for deleting VMs, as it stands there: without a comma after the description. */
export const GUIDE_DELETE = `[
    {
        "host" : "t04.tdh.internal",
        "vmspecs" : [
            {
                "name" : "tdh-d03",
                "description" : "TDH Datanode"
                "hostname" : "tdh-d03.tdh.internal",
                "ipaddress" : "172.30.10.193",
                "vcpus" : 2,
                "memoryGb" : 8,
                "maxMemoryGb" : 12,
                "numDisks" : 1,
                "diskSize" : 60
            }
        ]
    }
]
`;

/** The same with the comma. */
export const GUIDE_DELETE_MENDED = GUIDE_DELETE.replace('"TDH Datanode"', '"TDH Datanode",');
