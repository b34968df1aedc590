"""The words of the invented firms: what a CRM's pick lists hold, in the order the codes follow."""

SOURCES = ("inbound_web", "referral", "outbound", "event", "partner", "paid_search")
SEGMENTS = ("small", "mid", "enterprise")
DEAL_TYPES = ("new", "renewal", "expansion")
INDUSTRIES = (
    "manufacturing",
    "software",
    "health",
    "logistics",
    "retail",
    "education",
    "energy",
    "public sector",
)
REGIONS = ("West", "Nordics", "Iberia", "Greece", "East", "Gulf", "Thailand", "Japan")
TEAMS = ("Équipe Ouest", "Team Nord", "ทีมเอเชีย", "Ομάδα Νότος", "Команда Восток", "فريق الخليج")
SENIORITIES = ("c_level", "vp", "director", "manager", "staff")
STAGES = ("lead", "qualified", "discovery", "proposal", "negotiation", "verbal")
CUSTOMER_STAGES = ("qualified", "proposal", "negotiation")
WON, LOST = "closed_won", "closed_lost"
